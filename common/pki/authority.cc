#include "common/pki/authority.h"

#include <openssl/x509v3.h>

#include <ctime>

#include "common/check.h"
#include "common/pki/openssl.h"

namespace gabion::pki {
namespace {

constexpr std::uint64_t kDaySeconds = 24 * 3600;
constexpr std::uint64_t kAuthorityDays = 3650;
constexpr std::uint64_t kNodeDays = 365;
// Clocks of nodes differ: a certificate is good a day before it was made.
constexpr std::uint64_t kBackDays = 1;
constexpr const char* kAuthorityName = "Gabion authority";

void set_serial(X509* certificate, Rng& rng) {
  std::array<std::byte, 16> random{};
  rng.fill(random);
  random[0] = (random[0] & std::byte{0x7f}) | std::byte{0x40};  // positive, and always of one length
  const Owned<BIGNUM> number(BN_bin2bn(reinterpret_cast<const unsigned char*>(random.data()), random.size(), nullptr));
  GABION_CHECK(number != nullptr && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
               "a certificate without a serial number");
}

void set_validity(X509* certificate, WallMicros now, std::uint64_t days) {
  const auto seconds = static_cast<std::time_t>(now / 1'000'000);
  const auto from = seconds - static_cast<std::time_t>(kBackDays * kDaySeconds);
  const auto until = seconds + static_cast<std::time_t>(days * kDaySeconds);
  GABION_CHECK(ASN1_TIME_set(X509_getm_notBefore(certificate), from) != nullptr &&
                   ASN1_TIME_set(X509_getm_notAfter(certificate), until) != nullptr,
               "a certificate without dates");
}

void add_name(X509_NAME* name, const char* kind, const std::string& value) {
  GABION_CHECK(X509_NAME_add_entry_by_txt(name, kind, MBSTRING_ASC, reinterpret_cast<const unsigned char*>(value.data()),
                                          static_cast<int>(value.size()), -1, 0) == 1,
               "a certificate without a name");
}

void add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  GABION_CHECK(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
               "a certificate without an extension");
}

// Version, number, dates and subject; the rest differs.
Owned<X509> begin_certificate(const std::string& organization, const std::string& common_name, Rng& rng) {
  Owned<X509> certificate(X509_new());
  GABION_CHECK(certificate != nullptr && X509_set_version(certificate.get(), X509_VERSION_3) == 1,
               "out of memory for a certificate");
  set_serial(certificate.get(), rng);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  add_name(subject, "O", organization);
  add_name(subject, "CN", common_name);
  return certificate;
}

void sign(X509* certificate, EVP_PKEY* key) {
  GABION_CHECK(X509_sign(certificate, key, sha256_algorithm()) != 0, "a certificate cannot be signed");
}

Result<ClusterId> cluster_of(X509* authority) {
  const X509_NAME* name = X509_get_subject_name(authority);
  char text[64] = "";
  const int length = X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(name), NID_organizationName, text, sizeof text);
  const auto cluster = ClusterId::from_hex(std::string_view(text, length < 0 ? 0 : static_cast<std::size_t>(length)));
  if (!cluster) return Error(Errc::invalid, "the certificate is not of the authority of a cluster");
  return *cluster;
}

}  // namespace

struct Authority::Material {
  Owned<X509> certificate;
  Owned<EVP_PKEY> key;
};

Authority::Authority(std::unique_ptr<Material> material, ClusterId cluster)
    : material_(std::move(material)),
      cluster_(cluster),
      certificate_(to_pem(material_->certificate.get())),
      key_(to_pem(material_->key.get())) {}
Authority::~Authority() = default;
Authority::Authority(Authority&&) noexcept = default;
Authority& Authority::operator=(Authority&&) noexcept = default;

Authority Authority::create(ClusterId cluster, Clock& clock, Rng& rng) {
  auto material = std::make_unique<Material>();
  material->key = generate_key();
  material->certificate = begin_certificate(cluster.to_hex(), kAuthorityName, rng);
  X509* certificate = material->certificate.get();
  set_validity(certificate, clock.wall(), kAuthorityDays);
  GABION_CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1 &&
                   X509_set_pubkey(certificate, material->key.get()) == 1,
               "out of memory for a certificate");
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  sign(certificate, material->key.get());
  return Authority(std::move(material), cluster);
}

Result<Authority> Authority::load(const std::string& certificate, const std::string& key) {
  auto material = std::make_unique<Material>();
  TRY(material->certificate, certificate_from_pem(certificate));
  TRY(material->key, key_from_pem(key));
  if (X509_check_private_key(material->certificate.get(), material->key.get()) != 1) {
    return openssl_error("the authority's key does not belong to its certificate");
  }
  TRY(const ClusterId cluster, cluster_of(material->certificate.get()));
  return Authority(std::move(material), cluster);
}

Result<std::string> Authority::issue(const std::string& request, NodeId node, Clock& clock, Rng& rng) const {
  TRY(const auto parsed, request_from_pem(request));
  EVP_PKEY* key = X509_REQ_get0_pubkey(parsed.get());
  if (key == nullptr || !is_p256(key)) return Error(Errc::invalid, "the key of a certificate request must be of P-256");
  if (X509_REQ_verify(parsed.get(), key) != 1) return openssl_error("a certificate request must be signed by its key");

  const std::string name = to_string(node);
  X509* issuer = material_->certificate.get();
  const Owned<X509> certificate = begin_certificate(cluster_.to_hex(), name, rng);
  set_validity(certificate.get(), clock.wall(), kNodeDays);
  GABION_CHECK(X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer)) == 1 &&
                   X509_set_pubkey(certificate.get(), key) == 1,
               "out of memory for a certificate");
  add_extension(certificate.get(), issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate.get(), issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(certificate.get(), issuer, NID_subject_alt_name, ("DNS:" + name).c_str());
  add_extension(certificate.get(), issuer, NID_subject_key_identifier, "hash");
  add_extension(certificate.get(), issuer, NID_authority_key_identifier, "keyid");
  sign(certificate.get(), material_->key.get());
  return to_pem(certificate.get()) + certificate_;
}

// --- The node's side ---

std::string make_key() { return to_pem(generate_key().get()); }

Result<std::string> make_request(const std::string& key) {
  TRY(const auto parsed, key_from_pem(key));
  const Owned<X509_REQ> request(X509_REQ_new());
  GABION_CHECK(request != nullptr && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                   X509_REQ_set_pubkey(request.get(), parsed.get()) == 1,
               "out of memory for a certificate request");
  if (X509_REQ_sign(request.get(), parsed.get(), sha256_algorithm()) == 0) {
    return openssl_error("the key cannot sign a certificate request");
  }
  return to_pem(request.get());
}

bool is_due_for_renewal(const Certificate& certificate, WallMicros now) {
  const WallMicros lifetime = certificate.not_after - certificate.not_before;
  return now >= certificate.not_before + lifetime / 3 * 2;
}

}  // namespace gabion::pki

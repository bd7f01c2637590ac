#include "common/pki/certificate.h"

#include <openssl/x509_vfy.h>

#include <ctime>

#include "common/check.h"
#include "common/digest.h"
#include "common/pki/openssl.h"
#include "common/text.h"

namespace gabion::pki {
namespace {

// The value of the only entry of this kind; empty when there is none, or more than one.
std::string name_entry(const X509_NAME* name, int kind) {
  const int at = X509_NAME_get_index_by_NID(name, kind, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(name, kind, at) >= 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<std::size_t>(ASN1_STRING_length(value)));
}

Result<WallMicros> to_micros(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return Error(Errc::invalid, "a certificate with a broken date");
  const std::time_t seconds = ::timegm(&parts);
  return seconds < 0 ? WallMicros{0} : static_cast<WallMicros>(seconds) * 1'000'000;
}

Result<Certificate> describe(X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  Certificate out;
  TRY(out.subject, parse_subject(name_entry(name, NID_organizationName), name_entry(name, NID_commonName)));
  TRY(out.not_before, to_micros(X509_get0_notBefore(certificate)));
  TRY(out.not_after, to_micros(X509_get0_notAfter(certificate)));
  return out;
}

}  // namespace

std::optional<NodeId> parse_node_name(std::string_view name) {
  if (!name.starts_with('n')) return std::nullopt;
  const auto number = parse_u64(name.substr(1));
  if (!number || *number == 0 || *number > UINT32_MAX) return std::nullopt;
  const NodeId node{static_cast<std::uint32_t>(*number)};
  return to_string(node) == name ? std::optional(node) : std::nullopt;  // no leading zeros
}

Result<Subject> parse_subject(std::string_view organization, std::string_view common_name) {
  const auto cluster = ClusterId::from_hex(organization);
  const auto node = parse_node_name(common_name);
  if (!cluster || !node) return Error(Errc::denied, "the certificate is not of a node of a cluster");
  return Subject{*cluster, *node};
}

Result<Certificate> read_certificate(std::string_view chain) {
  TRY(const auto certificate, certificate_from_pem(chain));
  return describe(certificate.get());
}

Result<Certificate> check_certificate(std::string_view chain, std::string_view authority, WallMicros now) {
  TRY(const auto certificate, certificate_from_pem(chain));
  TRY(const auto signer, certificate_from_pem(authority));
  const Owned<X509_STORE> store(X509_STORE_new());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  GABION_CHECK(store != nullptr && context != nullptr, "out of memory for a certificate");
  GABION_CHECK(X509_STORE_add_cert(store.get(), signer.get()) == 1, "out of memory for a certificate");
  GABION_CHECK(X509_STORE_CTX_init(context.get(), store.get(), certificate.get(), nullptr) == 1,
               "out of memory for a certificate");
  X509_STORE_CTX_set_time(context.get(), 0, static_cast<std::time_t>(now / 1'000'000));
  if (X509_verify_cert(context.get()) != 1) {
    const int reason = X509_STORE_CTX_get_error(context.get());
    return Error(Errc::denied, std::string("the certificate is not good: ") + X509_verify_cert_error_string(reason));
  }
  return describe(certificate.get());
}

Result<std::string> fingerprint(std::string_view certificate) {
  TRY(const auto parsed, certificate_from_pem(certificate));
  std::string digest(32, '\0');
  unsigned length = 0;
  GABION_CHECK(X509_digest(parsed.get(), sha256_algorithm(), reinterpret_cast<unsigned char*>(digest.data()), &length) == 1 &&
                   length == digest.size(),
               "a digest must not fail");
  return digest;
}

}  // namespace gabion::pki

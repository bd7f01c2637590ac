// The authority signs certificates that it, and OpenSSL, recognise, and no others pass.
#include "common/pki/authority.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <catch2/catch_test_macros.hpp>

#include "common/encoding.h"
#include "common/pki/openssl.h"
#include "tests/support/sim.h"

namespace gabion::pki {
namespace {

constexpr WallMicros kDay = std::uint64_t{24} * 3600 * 1'000'000;
constexpr NodeId n3{3};

struct World {
  sim::SimWorld world{1};
  Clock& clock = world.clock();
  Rng& rng = world.rng();
  ClusterId cluster{{0xab, 1, 2}};
  Authority authority = Authority::create(cluster, clock, rng);
  std::string chain = *authority.issue(*make_request(make_key()), n3, clock, rng);
};

// A request for a key of another kind.
std::string rsa_request() {
  const Owned<EVP_PKEY> key(EVP_RSA_gen(2048));
  return *make_request(to_pem(key.get()));
}

}  // namespace

TEST_CASE("a node's certificate says who it is, for a year, and its authority vouches for it") {
  World w;
  const auto checked = check_certificate(w.chain, w.authority.certificate(), w.clock.wall());
  REQUIRE(checked.has_value());
  CHECK(checked->subject == Subject{w.cluster, n3});
  CHECK(checked->not_before <= w.clock.wall() - kDay + 1'000'000);
  CHECK(checked->not_after / kDay == (w.clock.wall() + 365 * kDay) / kDay);
  CHECK(!is_due_for_renewal(*checked, w.clock.wall() + 240 * kDay));
  CHECK(is_due_for_renewal(*checked, w.clock.wall() + 250 * kDay));

  const auto certificate = *certificate_from_pem(w.chain);
  CHECK(X509_check_host(certificate.get(), "n3", 0, 0, nullptr) == 1);
  CHECK(X509_check_host(certificate.get(), "n4", 0, 0, nullptr) == 0);
  CHECK(X509_check_ca(certificate.get()) == 0);
  CHECK(X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
  CHECK(X509_check_purpose(certificate.get(), X509_PURPOSE_SSL_CLIENT, 0) == 1);
  CHECK(X509_check_ca((*certificate_from_pem(w.authority.certificate())).get()) == 1);
  CHECK(w.chain.ends_with(w.authority.certificate()));
}

TEST_CASE("certificates are only good in their time") {
  World w;
  const std::string& authority = w.authority.certificate();
  CHECK(check_certificate(w.chain, authority, w.clock.wall() + 364 * kDay).has_value());
  CHECK(check_certificate(w.chain, authority, w.clock.wall() + 366 * kDay).error().code == Errc::denied);
  CHECK(check_certificate(w.chain, authority, w.clock.wall() - 2 * kDay).error().message.find("not yet valid") !=
        std::string::npos);
}

TEST_CASE("a certificate of another authority is not good, even of one with the same name") {
  World w;
  const Authority other = Authority::create(w.cluster, w.clock, w.rng);
  CHECK(check_certificate(w.chain, other.certificate(), w.clock.wall()).error().code == Errc::denied);
  CHECK(check_certificate(*other.issue(*make_request(make_key()), n3, w.clock, w.rng), w.authority.certificate(), w.clock.wall())
            .error()
            .code == Errc::denied);
  // A node's certificate cannot sign.
  CHECK(check_certificate(w.chain, w.chain, w.clock.wall()).error().code == Errc::denied);
}

TEST_CASE("an authority can be kept as text and taken up again") {
  World w;
  const auto again = Authority::load(w.authority.certificate(), w.authority.key());
  REQUIRE(again.has_value());
  CHECK(again->cluster() == w.cluster);
  CHECK(again->certificate() == w.authority.certificate());
  CHECK(again->key() == w.authority.key());
  const std::string chain = *again->issue(*make_request(make_key()), NodeId{4}, w.clock, w.rng);
  CHECK(check_certificate(chain, w.authority.certificate(), w.clock.wall())->subject.node == NodeId{4});

  CHECK(!Authority::load(w.authority.certificate(), make_key()).has_value());
  CHECK(!Authority::load("", w.authority.key()).has_value());
  CHECK(!Authority::load(w.authority.certificate(), "").has_value());
}

TEST_CASE("requests are only signed when they are signed by a key of the right kind") {
  World w;
  const std::string request = *make_request(make_key());
  CHECK(w.authority.issue(request, n3, w.clock, w.rng).has_value());
  CHECK(w.authority.issue(rsa_request(), n3, w.clock, w.rng).error().code == Errc::invalid);
  CHECK(w.authority.issue("nonsense", n3, w.clock, w.rng).error().code == Errc::invalid);
  CHECK(w.authority.issue(w.chain, n3, w.clock, w.rng).error().code == Errc::invalid);
  CHECK(w.authority.issue(std::string(1 << 20, 'x'), n3, w.clock, w.rng).error().code == Errc::invalid);
  // Every flipped bit of the signed part or the signature is noticed.
  const std::size_t begin = request.find('\n') + 1;
  std::string body = request.substr(begin, request.rfind("-----END") - begin);
  std::erase(body, '\n');
  const std::string der = *base64_decode(body);
  for (std::size_t bit = 0; bit < der.size() * 8; bit += 3) {
    std::string flipped = der;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const std::string pem = "-----BEGIN CERTIFICATE REQUEST-----\n" + base64_encode(as_bytes(flipped)) +
                            "\n-----END CERTIFICATE REQUEST-----\n";
    CHECK(!w.authority.issue(pem, n3, w.clock, w.rng).has_value());
  }
}

TEST_CASE("serial numbers differ, and fingerprints are of the whole certificate") {
  World w;
  const std::string request = *make_request(make_key());
  const std::string one = *w.authority.issue(request, n3, w.clock, w.rng);
  const std::string two = *w.authority.issue(request, n3, w.clock, w.rng);
  CHECK(one != two);
  CHECK(fingerprint(one)->size() == 32);
  CHECK(*fingerprint(one) != *fingerprint(two));
  CHECK(*fingerprint(one) == *fingerprint(one));
  CHECK(!fingerprint("nothing").has_value());
}

TEST_CASE("names of nodes have one form") {
  CHECK(parse_node_name("n1") == NodeId{1});
  CHECK(parse_node_name("n4294967295") == NodeId{UINT32_MAX});
  for (const char* bad : {"", "n", "n0", "n01", "N1", "n1 ", " n1", "n-1", "n4294967296", "1", "nn1"}) {
    CHECK(!parse_node_name(bad));
  }
  const std::string hex = ClusterId{{1}}.to_hex();
  CHECK(parse_subject(hex, "n7")->node == NodeId{7});
  CHECK(!parse_subject(hex, "Gabion authority").has_value());
  CHECK(!parse_subject("somebody", "n7").has_value());
  World w;
  CHECK(!read_certificate(w.authority.certificate()).has_value());  // the authority is no node
}

}  // namespace gabion::pki

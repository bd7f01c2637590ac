#include <catch2/catch_test_macros.hpp>

#include "common/aead.h"
#include "common/digest.h"
#include "common/encoding.h"
#include "common/rng.h"

namespace gabion {
namespace {

TEST_CASE("digests and HMACs give the published values") {
  CHECK(hex_encode(as_bytes(md5(as_bytes("abc")))) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(hex_encode(as_bytes(sha256(as_bytes("abc")))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231 test case 2, RFC 2202 test case 2.
  CHECK(hex_encode(as_bytes(hmac_sha256("Jefe", "what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex_encode(as_bytes(hmac_sha1("Jefe", "what do ya want for nothing?"))) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  // RFC 4231 test case 6: a key longer than the block.
  CHECK(hex_encode(as_bytes(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"))) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("a sealed message opens only unchanged, under its key, nonce and associated data") {
  SeededRng rng(1);
  const SecretKey key = SecretKey::random(rng);
  Aead aead(key);
  Nonce nonce{};
  const std::string plain = "forty-two stones in a cage";
  std::string sealed(plain.size() + kTagBytes, '\0');
  const MutableBytes sealed_bytes = std::as_writable_bytes(std::span(sealed));
  aead.seal(nonce, as_bytes("block 1"), as_bytes(plain), sealed_bytes);
  std::string opened(plain.size(), '\0');
  const MutableBytes opened_bytes = std::as_writable_bytes(std::span(opened));
  REQUIRE(aead.open(nonce, as_bytes("block 1"), as_bytes(sealed), opened_bytes));
  CHECK(opened == plain);

  CHECK(aead.open(nonce, as_bytes("block 2"), as_bytes(sealed), opened_bytes).error().code == Errc::corrupt);
  Nonce other = nonce;
  other[0] = std::byte{1};
  CHECK_FALSE(aead.open(other, as_bytes("block 1"), as_bytes(sealed), opened_bytes));
  Aead stranger(SecretKey::random(rng));
  CHECK_FALSE(stranger.open(nonce, as_bytes("block 1"), as_bytes(sealed), opened_bytes));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] = static_cast<char>(sealed[i] ^ 1);
    REQUIRE_FALSE(aead.open(nonce, as_bytes("block 1"), as_bytes(sealed), opened_bytes));
    sealed[i] = static_cast<char>(sealed[i] ^ 1);
  }
  CHECK_FALSE(aead.open(nonce, {}, as_bytes("short"), {}));
}

TEST_CASE("sealing in pieces equals sealing at once") {
  SeededRng rng(2);
  const SecretKey key = SecretKey::random(rng);
  Aead aead(key);
  std::string plain(70000, '\0');
  rng.fill(std::as_writable_bytes(std::span(plain)));
  const Nonce nonce{};
  std::string at_once(plain.size() + kTagBytes, '\0');
  aead.seal(nonce, as_bytes("aad"), as_bytes(plain), std::as_writable_bytes(std::span(at_once)));
  std::string in_pieces(plain.size() + kTagBytes, '\0');
  const MutableBytes out = std::as_writable_bytes(std::span(in_pieces));
  aead.begin_seal(nonce, as_bytes("aad"));
  for (std::size_t at = 0; at < plain.size();) {
    const std::size_t n = std::min<std::size_t>(rng.below(9000) + 1, plain.size() - at);
    aead.update(as_bytes(plain).subspan(at, n), out.data() + at);
    at += n;
  }
  aead.finish_seal(out.subspan(plain.size()));
  CHECK(in_pieces == at_once);
}

TEST_CASE("a wrapped key unwraps with the same key and purpose only") {
  SeededRng rng(3);
  const SecretKey master = SecretKey::random(rng);
  const SecretKey key = SecretKey::random(rng);
  const std::string wrapped = wrap_key(master, key, "tenant acme", rng);
  const auto unwrapped = unwrap_key(master, wrapped, "tenant acme");
  REQUIRE(unwrapped.has_value());
  CHECK(as_text(unwrapped->view()) == as_text(key.view()));
  CHECK(unwrap_key(master, wrapped, "tenant other").error().code == Errc::denied);
  CHECK_FALSE(unwrap_key(key, wrapped, "tenant acme").has_value());
  CHECK_FALSE(unwrap_key(master, wrapped.substr(1), "tenant acme").has_value());
}

}  // namespace
}  // namespace gabion

#include "common/pki/join_token.h"

#include <optional>

#include "common/check.h"
#include "common/digest.h"
#include "common/text.h"

namespace gabion::pki {
namespace {

constexpr std::string_view kPrefix = "gj1";
constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648, section 6
constexpr std::size_t kChecksumBytes = 3;  // makes 35 bytes: 56 characters with no bit to spare
constexpr std::size_t kBytes = kTokenSecretBytes + kAuthorityPrefixBytes + kChecksumBytes;
static_assert(kBytes * 8 % 5 == 0);

std::string base32_encode(std::string_view bytes) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 5; count -= 5) out += kAlphabet[bits >> (count - 5) & 31];
  }
  return out;
}

std::optional<std::string> base32_decode(std::string_view text) {
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 5 | static_cast<std::uint32_t>(value);
    count += 5;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 255);
  }
  return out;
}

std::string checksum(std::string_view bytes) { return sha256(as_bytes(bytes)).substr(0, kChecksumBytes); }

}  // namespace

JoinToken make_join_token(std::string_view fingerprint, Rng& rng) {
  GABION_CHECK(fingerprint.size() >= kAuthorityPrefixBytes, "a fingerprint is longer than its prefix");
  std::array<std::byte, kTokenSecretBytes> secret{};
  rng.fill(secret);
  return {std::string(as_text(secret)), std::string(fingerprint.substr(0, kAuthorityPrefixBytes))};
}

std::string to_text(const JoinToken& token) {
  const std::string bytes = token.secret + token.authority;
  return std::string(kPrefix) + base32_encode(bytes + checksum(bytes));
}

Result<JoinToken> parse_join_token(std::string_view text) {
  const std::string word = to_lower(trim(text));
  if (!word.starts_with(kPrefix)) return Error(Errc::invalid, "a join token begins with \"" + std::string(kPrefix) + "\"");
  const auto bytes = base32_decode(std::string_view(word).substr(kPrefix.size()));
  if (!bytes || bytes->size() != kBytes || word.size() != kPrefix.size() + kBytes * 8 / 5) {
    return Error(Errc::invalid, "a join token is one word of 59 characters, of which this is not one");
  }
  const std::string_view body = std::string_view(*bytes).substr(0, kBytes - kChecksumBytes);
  if (checksum(body) != std::string_view(*bytes).substr(body.size())) {
    return Error(Errc::invalid, "the join token is mistyped: its checksum does not match");
  }
  return JoinToken{std::string(body.substr(0, kTokenSecretBytes)), std::string(body.substr(kTokenSecretBytes))};
}

std::string digest_of_secret(std::string_view secret) { return sha256(as_bytes(secret)); }

}  // namespace gabion::pki

// A join token lets one new node into a cluster, once: a secret that the cluster knows by its digest alone, and the beginning
// of the fingerprint of the cluster's authority, by which the new node knows that it talks to the right one. Its text is one
// word of 59 characters, "gj1" and base32 without case, with a checksum that tells a typing error from a wrong token. Pure
// functions.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "common/bytes.h"
#include "common/result.h"
#include "common/rng.h"

namespace gabion::pki {

inline constexpr std::size_t kTokenSecretBytes = 16;
inline constexpr std::size_t kAuthorityPrefixBytes = 16;

struct JoinToken {
  std::string secret;     // kTokenSecretBytes raw bytes
  std::string authority;  // the first kAuthorityPrefixBytes of the fingerprint
};

// `fingerprint` of the authority's certificate, of certificate.h.
JoinToken make_join_token(std::string_view fingerprint, Rng& rng);
std::string to_text(const JoinToken& token);
// Either case, blanks around it. invalid when mistyped.
Result<JoinToken> parse_join_token(std::string_view text);

// What the cluster keeps of a token, and finds it again by: SHA-256 of the secret, 32 raw bytes.
std::string digest_of_secret(std::string_view secret);

}  // namespace gabion::pki

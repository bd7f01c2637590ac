// Text encodings with exact byte rules: hex, base64, percent. Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/bytes.h"

namespace gabion {

std::string hex_encode(ByteView bytes);  // lower case
void hex_append(std::string& out, ByteView bytes);
std::optional<std::string> hex_decode(std::string_view hex);  // raw bytes; either case; nullopt when malformed

std::string base64_encode(ByteView bytes);  // RFC 4648 section 4, padded
// Strict: padding required, no white space, no stray bits.
std::optional<std::string> base64_decode(std::string_view text);

// Percent-encodes everything but A-Z a-z 0-9 - _ . ~ and, where keep_slash is set, '/'. This is SigV4's UriEncode.
enum class Slash { encode, keep };
std::string percent_encode(std::string_view text, Slash slash);
void percent_append(std::string& out, std::string_view text, Slash slash);
// Decodes %XX once. `plus_is_space` is for query strings. nullopt for a malformed escape.
enum class Plus { literal, space };
std::optional<std::string> percent_decode(std::string_view text, Plus plus);

bool is_valid_utf8(std::string_view text);

}  // namespace gabion

#include "common/encoding.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "common/ids.h"

namespace gabion {
namespace {

constexpr char kHexLower[] = "0123456789abcdef";
constexpr char kHexUpper[] = "0123456789ABCDEF";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

}  // namespace

void hex_append(std::string& out, ByteView bytes) {
  for (const std::byte b : bytes) {
    const auto v = static_cast<unsigned>(b);
    out.push_back(kHexLower[v >> 4]);
    out.push_back(kHexLower[v & 15]);
  }
}

std::string hex_encode(ByteView bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  hex_append(out, bytes);
  return out;
}

std::optional<std::string> hex_decode(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]);
    const int low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
  }
  return out;
}

std::string base64_encode(ByteView bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  static constexpr auto value_of = [](char c) -> int {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
  };
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const int pad = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
    std::uint32_t bits = 0;
    for (int j = 0; j < 4; ++j) {
      const int v = j >= 4 - pad ? 0 : value_of(text[i + static_cast<std::size_t>(j)]);
      if (v < 0) return std::nullopt;
      bits = bits << 6 | static_cast<std::uint32_t>(v);
    }
    const std::uint32_t stray = pad == 2 ? bits & 0xffff : pad == 1 ? bits & 0xff : 0;
    if (stray != 0) return std::nullopt;
    out.push_back(static_cast<char>(bits >> 16));
    if (pad < 2) out.push_back(static_cast<char>(bits >> 8));
    if (pad < 1) out.push_back(static_cast<char>(bits));
  }
  return out;
}

void percent_append(std::string& out, std::string_view text, Slash slash) {
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (is_unreserved(u) || (c == '/' && slash == Slash::keep)) {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHexUpper[u >> 4]);
      out.push_back(kHexUpper[u & 15]);
    }
  }
}

std::string percent_encode(std::string_view text, Slash slash) {
  std::string out;
  out.reserve(text.size() + 8);
  percent_append(out, text, slash);
  return out;
}

std::optional<std::string> percent_decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]);
      const int low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      out.push_back(text[i] == '+' && plus == Plus::space ? ' ' : text[i]);
    }
  }
  return out;
}

bool is_valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    int more = 0;
    std::uint32_t value = 0;
    std::uint32_t least = 0;
    if ((*p & 0xe0) == 0xc0) { more = 1; value = *p & 0x1f; least = 0x80; }
    else if ((*p & 0xf0) == 0xe0) { more = 2; value = *p & 0x0f; least = 0x800; }
    else if ((*p & 0xf8) == 0xf0) { more = 3; value = *p & 0x07; least = 0x10000; }
    else return false;
    if (end - p <= more) return false;
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xc0) != 0x80) return false;
      value = value << 6 | (p[i] & 0x3f);
    }
    const bool surrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < least || value > 0x10ffff || surrogate) return false;
    p += more + 1;
  }
  return true;
}

std::string id_to_hex(const std::array<std::uint8_t, 16>& bytes) { return hex_encode(std::as_bytes(std::span(bytes))); }

bool id_from_hex(std::string_view hex, std::array<std::uint8_t, 16>& bytes) {
  const auto raw = hex_decode(hex);
  if (!raw || raw->size() != bytes.size()) return false;
  std::memcpy(bytes.data(), raw->data(), bytes.size());
  return true;
}

}  // namespace gabion

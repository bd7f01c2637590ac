#include "gateway/s3/auth/signing.h"

#include <openssl/crypto.h>

#include <unordered_map>

#include "common/text.h"

namespace gabion::gateway::s3 {
namespace {

constexpr std::size_t kCachedKeysMax = 256;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// All values of a header, in the order sent, joined by commas. False when there is none.
bool append_header_values(std::string& out, const http::RequestHead& head, std::string_view name) {
  bool found = false;
  for (const http::Header& header : head.headers) {
    if (header.name != name) continue;
    if (found) out.push_back(',');
    append_canonical_value(out, header.value);
    found = true;
  }
  return found;
}

std::string_view text_of(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string derive(std::string_view secret_key, std::string_view date, std::string_view region) {
  std::string start = "AWS4";
  start.append(secret_key);
  const Sha256Digest day = HmacKey(start).sign(date);
  const Sha256Digest place = HmacKey(text_of(day)).sign(region);
  const Sha256Digest service = HmacKey(text_of(place)).sign("s3");
  const Sha256Digest key = HmacKey(text_of(service)).sign("aws4_request");
  OPENSSL_cleanse(start.data(), start.size());
  return std::string(text_of(key));
}

struct CachedKey {
  std::string secret_key;  // a changed secret must not be answered with the old one's key
  SigningKey key;
};

}  // namespace

void append_canonical_value(std::string& out, std::string_view value) {
  const std::size_t start = out.size();
  bool space = false;
  for (const char c : value) {
    if (is_space(c)) {
      space = true;
      continue;
    }
    if (space && out.size() != start) out.push_back(' ');
    space = false;
    out.push_back(c);
  }
}

std::string canonical_request(const http::RequestHead& head, const RequestTarget& target,
                              std::string_view signed_headers, std::string_view payload_hash,
                              std::string_view without) {
  std::string out;
  out.reserve(1024);
  out.append(head.method).append("\n");
  out.append(canonical_path(target)).append("\n");
  out.append(canonical_query(target, without)).append("\n");
  for (const std::string_view name : split(signed_headers, ';')) {
    const std::size_t line = out.size();
    out.append(name).append(":");
    if (append_header_values(out, head, name)) out.push_back('\n');
    else out.resize(line);
  }
  out.append("\n").append(signed_headers).append("\n").append(payload_hash);
  return out;
}

std::string string_to_sign(std::string_view timestamp, std::string_view scope, std::string_view canonical_request) {
  std::string out;
  out.reserve(192);
  out.append(kV4Algorithm).append("\n").append(timestamp).append("\n").append(scope).append("\n");
  out.append(sha256_hex(canonical_request));
  return out;
}

const SigningKey& signing_key(std::string_view access_key, std::string_view secret_key, std::string_view date,
                              std::string_view region) {
  thread_local std::unordered_map<std::string, CachedKey> cache;
  thread_local std::string name;
  name.assign(date).append("/").append(region).append("/").append(access_key);
  const auto found = cache.find(name);
  if (found != cache.end() && found->second.secret_key == secret_key) return found->second.key;
  // Dates and keys change; starting over now and then costs less than remembering what was used last.
  if (cache.size() >= kCachedKeysMax) cache.clear();
  std::string raw = derive(secret_key, date, region);
  const HmacKey hmac(raw);
  const CachedKey entry{std::string(secret_key), SigningKey{std::move(raw), hmac}};
  return cache.insert_or_assign(name, entry).first->second.key;
}

}  // namespace gabion::gateway::s3

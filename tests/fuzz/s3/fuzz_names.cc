// Any bytes as a target with its Host, a copy source, a range, a list of tags, a metadata value, a token: each is refused
// or gives what its promises say. The first byte chooses the parser.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/encoding.h"
#include "gateway/s3/conditions.h"
#include "gateway/s3/copy_source.h"
#include "gateway/s3/names.h"
#include "gateway/s3/object_headers.h"
#include "gateway/s3/opaque_token.h"
#include "gateway/s3/range.h"
#include "gateway/s3/request.h"

namespace {

using namespace gabion;
using namespace gabion::gateway::s3;

void check_target(const std::string& text) {
  const auto line = text.find('\n');
  const std::string target = "/" + text.substr(0, line);
  const std::string host = line == std::string::npos ? "localhost" : text.substr(line + 1);
  const auto uri = RequestTarget::parse(target);
  if (!uri) return;
  const auto found = find_target(uri->path, host, {"example.com", "s3.example.com"});
  if (!found || found->bucket.empty()) return;
  GABION_CHECK(is_addressable_bucket_name(found->bucket), "buckets have names that can be looked up");
  GABION_CHECK(found->key.size() <= kKeyBytesMax && is_valid_utf8(found->key), "keys are short text");
  GABION_CHECK(found->key.find('\0') == std::string::npos, "keys have no NUL");
}

void check_copy_source(const std::string& text) {
  const auto source = parse_copy_source(text);
  if (source) GABION_CHECK(!source->key.empty() && check_key(source->key).has_value(), "copy sources name a key");
}

void check_ranges(const std::string& text) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{10}, ~std::uint64_t{0}}) {
    const auto range = parse_range(text, size);
    if (range && *range) GABION_CHECK((*range)->offset < size && (*range)->length <= size - (*range)->offset, "inside");
    const auto copy = parse_copy_range(text, size);
    if (copy) GABION_CHECK(copy->offset < size && copy->length <= size - copy->offset, "inside");
  }
}

void check_metadata(const std::string& text) {
  const std::string decoded = decode_metadata_value(text);
  GABION_CHECK(is_valid_utf8(decoded), "metadata is kept as UTF-8");
  for (const char c : encode_metadata_value(decoded)) GABION_CHECK(static_cast<unsigned char>(c) < 0x80, "and sent as ASCII");
}

void check_token(const std::string& text) {
  GABION_CHECK(decode_token(encode_token(text)).value() == text, "a token gives its position back");
  (void)decode_token(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
    case 0: check_target(text); break;
    case 1: check_copy_source(text); break;
    case 2: check_ranges(text); break;
    case 3: (void)EtagList::parse(text).matches("abc"); break;
    case 4: check_metadata(text); break;
    default: check_token(text); break;
  }
  return 0;
}

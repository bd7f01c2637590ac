// Any bytes as the body of a request: every parser of bodies either refuses them or gives values that keep its promises,
// and what it gives can be written as XML and read again. The first byte chooses the parser.
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/check.h"
#include "common/encoding.h"
#include "gateway/s3/request_bodies.h"
#include "gateway/s3/xml.h"

namespace {

using namespace gabion;
using namespace gabion::gateway::s3;

void check_delete(std::string body) {
  const auto parsed = parse_delete(std::move(body));
  if (!parsed) return;
  GABION_CHECK(!parsed->keys.empty() && parsed->keys.size() <= 1000, "the number of keys is bounded");
  for (const KeyToDelete& key : parsed->keys) {
    GABION_CHECK(!key.key.empty() && is_valid_utf8(key.key), "keys are text");
    XmlWriter xml("Root");
    xml.text("Key", key.key);
    const auto again = XmlDocument::parse(std::move(xml).finish(), "Root");
    if (again) GABION_CHECK(again->root().child("Key").text() == key.key, "a key comes back as it was");
  }
}

void check_complete(std::string body) {
  const auto parsed = parse_complete(std::move(body));
  if (!parsed) return;
  GABION_CHECK(!parsed->empty() && parsed->size() <= 10000, "the number of parts is bounded");
  for (const PartToComplete& part : *parsed) GABION_CHECK(part.number >= 1 && part.number <= 10000, "part numbers are");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string body(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0: check_delete(std::move(body)); break;
    case 1: check_complete(std::move(body)); break;
    case 2: (void)parse_create_bucket(std::move(body)); break;
    default: (void)is_private_acl(std::move(body), "gabion"); break;
  }
  return 0;
}

// ListObjects against a naive model, and its corner cases.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <set>

#include "metadata/apply.h"
#include "metadata/reads.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {
namespace {

// A store with these keys in bucket 1, and others around it.
std::unique_ptr<MemoryKv> store_with(const std::set<std::string>& keys) {
  auto store = std::make_unique<MemoryKv>(std::make_shared<MemoryImage>());
  Changes changes;
  auto& objects = changes[static_cast<std::size_t>(Table::objects)];
  for (const std::string& key : keys) {
    Version version;
    version.set_size(key.size());
    version.set_etag(std::string(16, 'e'));
    objects[keys::object_row(1, key)] = version.SerializeAsString();
  }
  objects[keys::object_row(0, "before")] = "";
  objects[keys::object_row(2, "after")] = "";
  REQUIRE(store->write(changes).has_value());
  return store;
}

struct Listed {
  std::vector<std::string> names;  // keys, and common prefixes with a '>' in front, in order
  bool truncated = false;
  friend bool operator==(const Listed&, const Listed&) = default;
};

Listed naive(const std::set<std::string>& keys, const ListRequest& request) {
  Listed out;
  std::set<std::string> seen;
  std::string skipped;
  if (!request.delimiter.empty() && request.after.starts_with(request.prefix)) {
    const auto at = request.after.find(request.delimiter, request.prefix.size());
    if (at != std::string::npos) skipped = request.after.substr(0, at + request.delimiter.size());
  }
  for (const std::string& key : keys) {
    if (!key.starts_with(request.prefix) || key <= request.after) continue;
    if (!skipped.empty() && key.starts_with(skipped)) continue;
    std::string name = key;
    if (!request.delimiter.empty()) {
      const auto at = key.find(request.delimiter, request.prefix.size());
      if (at != std::string::npos) name = ">" + key.substr(0, at + request.delimiter.size());
    }
    if (name[0] == '>' && !seen.insert(name).second) continue;
    if (out.names.size() == request.limit) {
      out.truncated = request.limit != 0;
      break;
    }
    out.names.push_back(name);
  }
  return out;
}

Listed flat(const ObjectPage& page) {
  std::map<std::string, std::string> merged;
  for (const auto& object : page.objects) merged[object.key] = object.key;
  for (const auto& prefix : page.common_prefixes) merged[prefix] = ">" + prefix;
  Listed out;
  out.truncated = page.truncated;
  for (const auto& [order, name] : merged) out.names.push_back(name);
  return out;
}

std::string random_text(SeededRng& rng, std::size_t longest) {
  static constexpr std::string_view kLetters = "ab/%\xff\x01";
  std::string text;
  for (std::size_t n = rng.below(longest + 1); n > 0; --n) text.push_back(kLetters[rng.below(kLetters.size())]);
  return text;
}

}  // namespace

TEST_CASE("listing agrees with the naive model for random keys, prefixes, delimiters and markers") {
  SeededRng rng(GENERATE(1u, 2u, 3u, 4u));
  for (int round = 0; round < 60; ++round) {
    std::set<std::string> keys;
    for (std::size_t i = rng.below(60); i > 0; --i) {
      const std::string key = random_text(rng, 6);
      if (!key.empty()) keys.insert(key);
    }
    const auto store = store_with(keys);
    for (int query = 0; query < 60; ++query) {
      ListRequest request;
      request.bucket = 1;
      request.prefix = random_text(rng, 2);
      request.delimiter = rng.below(2) == 0 ? "" : rng.below(2) == 0 ? "/" : random_text(rng, 2);
      request.after = rng.below(2) == 0 ? "" : random_text(rng, 5);
      request.limit = rng.below(8);
      CAPTURE(request.prefix, request.delimiter, request.after, request.limit);
      REQUIRE(flat(reads::list_objects({*store, kEverything}, request).value()) == naive(keys, request));
    }
  }
}

TEST_CASE("pages put together give the whole listing") {
  SeededRng rng(9);
  std::set<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.insert("k" + random_text(rng, 8));
  const auto store = store_with(keys);
  ListRequest request;
  request.bucket = 1;
  request.delimiter = GENERATE("", "/", "a");
  request.limit = 100000;
  const Listed all = flat(reads::list_objects({*store, kEverything}, request).value());
  request.limit = GENERATE(1u, 2u, 7u);
  Listed pages;
  for (;;) {
    const ObjectPage page = reads::list_objects({*store, kEverything}, request).value();
    const Listed part = flat(page);
    pages.names.insert(pages.names.end(), part.names.begin(), part.names.end());
    if (!page.truncated) break;
    request.after = page.last;
  }
  CHECK(pages.names == all.names);
}

TEST_CASE("a common prefix with many keys is passed over, also with a real store's bounds") {
  std::set<std::string> keys{"a", "z"};
  for (int i = 0; i < 1000; ++i) keys.insert("dir/" + std::to_string(i));
  const auto store = store_with(keys);
  ListRequest request;
  request.bucket = 1;
  request.delimiter = "/";
  CHECK(flat(reads::list_objects({*store, kEverything}, request).value()).names == std::vector<std::string>{"a", ">dir/", "z"});
}

TEST_CASE("a listed object shows what the version says") {
  Version version;
  version.set_size(1ull << 40);
  version.set_modified_us(1234567890123456);
  version.set_etag(std::string(16, '\xee'));
  version.set_etag_parts(17);
  version.set_storage_class("REDUCED_REDUNDANCY");
  version.set_manifest(99);
  version.set_content_type("text/plain");
  version.add_headers()->set_name("x");
  version.mutable_checksum()->set_algorithm(SHA256);
  version.mutable_checksum()->set_value("12345");
  version.mutable_checksum()->set_composite(true);
  version.set_owner("tenant");
  ListedObject listed;
  REQUIRE(reads::decode_listed(version.SerializeAsString(), listed).value());
  CHECK(listed.size == version.size());
  CHECK(listed.modified == version.modified_us());
  CHECK(listed.etag == version.etag());
  CHECK(listed.etag_parts == 17);
  CHECK(listed.storage_class == "REDUCED_REDUNDANCY");
  CHECK(listed.checksum_algorithm == SHA256);
  CHECK(listed.checksum_composite);
  CHECK(listed.owner == "tenant");
  version.set_delete_marker(true);
  CHECK(!reads::decode_listed(version.SerializeAsString(), listed).value());
  const std::string whole = version.SerializeAsString();
  CHECK(reads::decode_listed(whole.substr(0, whole.size() - 1), listed).error().code == Errc::corrupt);
}

}  // namespace gabion::metadata::test

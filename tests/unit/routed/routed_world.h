// Groups in memory, and a gateway that uses them.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "tests/support/memory_groups.h"
#include "tests/unit/metadata/subject.h"

namespace gabion::metadata::test {

using gabion::test::GroupsGateway;
using gabion::test::MemoryGroups;

struct RoutedWorld {
  explicit RoutedWorld(std::uint64_t seed = 1) : world(seed), groups(world) {}

  CommandResult commit(Command command) { return world.run(gateway.metadata().commit(Context(), std::move(command))).value(); }
  BucketId make_bucket(const std::string& name) { return commit(create_bucket(name)).bucket().id(); }
  Result<Object> get(BucketId bucket, const std::string& key) {
    return world.run(gateway.metadata().object(Context(), bucket, key, Metadata::With::manifest));
  }
  std::string text(BucketId bucket, const std::string& key) {
    const auto object = get(bucket, key);
    if (object) return object->manifest.inline_data();
    return object.error().code == Errc::not_found ? "(none)" : "(error)";
  }
  ObjectPage list(ListRequest request) {
    return world.run(gateway.metadata().list_objects(Context(), std::move(request))).value();
  }
  // All pages of them: keys and common prefixes in order.
  std::vector<std::string> names(ListRequest request) {
    std::vector<std::string> out;
    for (;;) {
      const ObjectPage page = list(request);
      std::vector<std::string> of_page = page.common_prefixes;
      for (const ListedObject& object : page.objects) of_page.push_back(object.key);
      std::sort(of_page.begin(), of_page.end());
      out.insert(out.end(), of_page.begin(), of_page.end());
      if (!page.truncated) return out;
      REQUIRE(page.last == of_page.back());
      request.after = page.last;
    }
  }

  sim::SimWorld world;
  MemoryGroups groups;
  GroupsGateway gateway{world, groups};
};

inline Command delete_objects(BucketId bucket, const std::vector<std::string>& names) {
  Command command;
  for (const std::string& name : names) *command.mutable_delete_objects()->add_objects() = remove(bucket, name).delete_object();
  return command;
}
inline ListRequest list_of(BucketId bucket, std::string prefix = {}, std::string delimiter = {}, std::size_t limit = 1000) {
  ListRequest request;
  request.bucket = bucket;
  request.prefix = std::move(prefix);
  request.delimiter = std::move(delimiter);
  request.limit = limit;
  return request;
}

}  // namespace gabion::metadata::test

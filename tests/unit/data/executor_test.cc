// The same over a real io_context, which runs a started task at once.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_rig.h"
#include "tests/support/data_tasks.h"

namespace gabion::test {
namespace {

TEST_CASE("on a real executor, too, objects are written and read with any drives lost that may be") {
  for (const erasure::Profile profile : {erasure::Profile{1, 1}, {4, 2}, {8, 3}}) {
    for (unsigned lost = 0; lost <= profile.parity; ++lost) {
      DataRig rig(profile);
      std::vector<std::pair<metadata::ManifestId, std::string>> objects;
      for (const std::size_t size : {std::size_t{100}, std::size_t{50'000}, std::size_t{20 * MiB + 1}}) {
        const std::string content = random_text(rig.rng, size);
        const auto written = run(write_all(rig.store, content, size, 64 * KiB));
        REQUIRE(written.has_value());
        objects.emplace_back(rig.metadata.put("key" + std::to_string(size), written->manifest), content);
      }
      for (unsigned d = 0; d < lost; ++d) rig.drives[d]->wipe();
      for (const auto& [id, content] : objects) {
        const auto got = run(read_all(rig.store, id, rig.metadata.at(id), 0, content.size()));
        REQUIRE(got.has_value());
        CHECK((*got == content));
      }
      for (unsigned d = 0; d < lost; ++d) rig.drives[d]->faults.down = true;
      const std::string more = random_text(rig.rng, 9 * MiB);
      const auto written = run(write_all(rig.store, more, std::nullopt, 64 * KiB));
      if (profile.data == 1 && lost == 1) {
        CHECK(written.error().code == Errc::unavailable);
        continue;
      }
      REQUIRE(written.has_value());
      const auto id = rig.metadata.put("more", written->manifest);
      const auto got = run(read_all(rig.store, id, written->manifest, 0, more.size()));
      REQUIRE(got.has_value());
      CHECK((*got == more));
    }
  }
}

}  // namespace
}  // namespace gabion::test

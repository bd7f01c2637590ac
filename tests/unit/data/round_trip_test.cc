#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

const std::vector<std::size_t> kSizes = {
    0, 1, 1000, kInlineMax - 1, kInlineMax, kInlineMax + 1, kSegmentBytes - 1, kSegmentBytes, kSegmentBytes + 1,
    kCopiesMax - 1, kCopiesMax, kCopiesMax + 1, 3 * kSegmentBytes, 1 * MiB + 5, kBlockBytes - 1, kBlockBytes,
    kBlockBytes + 1, kBlockBytes + kCopiesMax + 1, 2 * kBlockBytes + 12345};

DataWorldOptions with(erasure::Profile profile) {
  DataWorldOptions options;
  options.profile = profile;
  return options;
}

TEST_CASE("objects of every size come back as they were written, with and without a size hint") {
  for (const erasure::Profile profile : {erasure::Profile{1, 0}, {1, 1}, {2, 1}, {2, 2}, {4, 2}, {8, 3}}) {
    DataWorld w(with(profile));
    for (const std::size_t size : kSizes) {
      const std::string content = random_text(w.world.rng(), size);
      for (const bool hinted : {true, false}) {
        INFO(erasure::to_string(profile) << " size " << size << " hinted " << hinted);
        const auto written = w.write(content, hinted ? std::optional<std::uint64_t>(size) : std::nullopt);
        REQUIRE(written.has_value());
        CHECK(written->intents.empty());
        CHECK(written->manifest.size() == size);
        CHECK(written->manifest.inline_data().empty() == (size == 0 || size > kInlineMax));
        const auto id = w.metadata.put("key", written->manifest);
        const auto got = w.read(id);
        REQUIRE(got.has_value());
        CHECK((*got == content));
      }
      if (w.shards_stored() > 200) {
        for (auto& drive : w.drives) drive->wipe();
      }
    }
  }
}

TEST_CASE("a wrong size hint costs nothing but a block boundary") {
  DataWorld w(with({4, 2}));
  const std::string content = random_text(w.world.rng(), 3 * MiB);
  for (const std::uint64_t hint : {std::uint64_t{0}, std::uint64_t{5}, std::uint64_t{1} * MiB, std::uint64_t{100} * MiB}) {
    for (const std::size_t step : {std::size_t{1000}, std::size_t{70'000}, std::size_t{3 * MiB}}) {
      const auto written = w.write(content, hint, step);
      REQUIRE(written.has_value());
      const auto got = w.read(w.metadata.put("key", written->manifest));
      REQUIRE(got.has_value());
      CHECK((*got == content));
    }
  }
}

TEST_CASE("any range gives exactly its bytes") {
  for (const erasure::Profile profile : {erasure::Profile{4, 2}, {2, 1}, {8, 3}}) {
    for (const std::size_t size :
         {std::size_t{5000}, kCopiesMax, std::size_t{2 * MiB + 77}, kBlockBytes + 3 * kSegmentBytes + 9}) {
      DataWorld w(with(profile));
      const std::string content = random_text(w.world.rng(), size);
      const auto id = w.put("key", content);
      std::vector<std::uint64_t> edges = {0, 1, kSegmentBytes - 1, kSegmentBytes, kSegmentBytes + 1, MiB - 1, MiB,
                                          MiB + 1, kBlockBytes - 1, kBlockBytes, kBlockBytes + 1, size - 1, size};
      for (int i = 0; i < 4; ++i) edges.push_back(w.world.rng().below(size));
      for (const std::uint64_t from : edges) {
        for (const std::uint64_t to : edges) {
          if (from > to || to > size) continue;
          const auto got = w.read(id, from, to - from);
          INFO(erasure::to_string(profile) << " [" << from << ", " << to << ") of " << size);
          REQUIRE(got.has_value());
          CHECK((*got == content.substr(from, to - from)));
        }
      }
      CHECK(w.read(id, 0, size + 1).error().code == Errc::invalid);
      CHECK(w.read(id, size + 1, 0).error().code == Errc::invalid);
      CHECK(w.read(id, 1, ~std::uint64_t{0}).error().code == Errc::invalid);
    }
  }
}

TEST_CASE("a range read of a full block reads only the cells that hold it") {
  DataWorld w(with({4, 2}));
  const std::string content = random_text(w.world.rng(), kBlockBytes);
  const auto id = w.put("key", content);
  for (auto& drive : w.drives) drive->calls = {};
  REQUIRE(w.read(id, 5 * kSegmentBytes + 100, 200).has_value());
  std::uint64_t reads = 0, bytes = 0;
  for (auto& drive : w.drives) {
    reads += drive->calls.reads;
    bytes += drive->calls.bytes_read;
  }
  CHECK(reads == 1);
  CHECK(bytes == chunkserver::kCellBytes);
}

TEST_CASE("a healthy read touches no parity") {
  DataWorld w(with({4, 2}));
  const auto id = w.put("key", random_text(w.world.rng(), kBlockBytes));
  for (auto& drive : w.drives) drive->calls = {};
  REQUIRE(w.read(id).has_value());
  const BlockId block = w.block(id).id;
  CHECK(w.home_drive(block, 4).calls.reads == 0);
  CHECK(w.home_drive(block, 5).calls.reads == 0);
}

TEST_CASE("slices of other manifests are one object: inline, small and large parts in any order") {
  DataWorld w(with({4, 2}));
  metadata::Manifest whole;
  std::string content;
  int n = 0;
  for (const std::size_t size : {std::size_t{5 * MiB}, std::size_t{100}, std::size_t{100'000}, kBlockBytes + 1, std::size_t{1}}) {
    const std::string part = random_text(w.world.rng(), size);
    const auto id = w.put("part" + std::to_string(n++), part);
    metadata::Slice* slice = whole.add_slices();
    slice->set_manifest(id);
    const std::uint64_t skip = size / 3;
    slice->set_offset(skip);
    slice->set_length(size - skip);
    content += part.substr(skip);
  }
  whole.set_size(content.size());
  const auto id = w.metadata.put("whole", whole);
  REQUIRE(w.read(id).has_value());
  CHECK((*w.read(id) == content));
  for (int i = 0; i < 30; ++i) {
    const std::uint64_t from = w.world.rng().below(content.size());
    const std::uint64_t length = w.world.rng().below(content.size() - from + 1);
    const auto got = w.read(id, from, length);
    REQUIRE(got.has_value());
    CHECK((*got == content.substr(from, length)));
  }
}

TEST_CASE("a multipart object that is deleted while it is read is read to its end") {
  DataWorld w(with({4, 2}));
  metadata::Manifest whole;
  std::string content;
  for (int i = 0; i < 3; ++i) {
    const std::string part = random_text(w.world.rng(), 5 * MiB);
    const std::string key = "part" + std::to_string(i);
    metadata::Slice* slice = whole.add_slices();
    slice->set_manifest(w.put(key, part));
    slice->set_length(part.size());
    content += part;
  }
  whole.set_size(content.size());
  const auto id = w.metadata.put("whole", whole);
  for (int i = 0; i < 3; ++i) w.metadata.remove("part" + std::to_string(i));

  auto reader = w.world.run(w.store.read(Context(), metadata::kRootGroup, id, w.metadata.at(id), 0, content.size()));
  REQUIRE(reader.has_value());
  w.metadata.remove("whole");
  Collector collector(w.store, {.grace = Duration(0)});
  std::string got;
  for (;;) {
    REQUIRE(w.world.run(collector.run_once(Context())).has_value());
    const auto piece = w.world.run((*reader)->next());
    REQUIRE(piece.has_value());
    if (piece->empty()) break;
    got += piece->text();
  }
  CHECK((got == content));
  reader->reset();
  w.settle();
  REQUIRE(w.world.run(collector.run_once(Context())).has_value());
  CHECK(w.shards_stored() == 0);
}

TEST_CASE("a manifest that does not add up is corrupt, not a crash") {
  DataWorld w(with({2, 1}));
  const auto id = w.put("key", random_text(w.world.rng(), 300'000));
  const metadata::Manifest good = w.metadata.at(id);
  const auto outcome = [&](const metadata::Manifest& bad) {
    const auto got = w.world.run(read_all(w.store, id, bad, 0, bad.size()));
    return got ? std::string("read") : std::string(to_string(got.error().code));
  };
  metadata::Manifest bad = good;
  bad.mutable_blocks(0)->set_id("short");
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.mutable_blocks(0)->set_length(0);
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.mutable_blocks(0)->set_length(1u << 30);
  bad.set_size(1u << 30);
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.set_data_shards(0);
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.clear_blocks();
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.set_wrapped_key("nonsense");
  CHECK(outcome(bad) == "corrupt");
  bad = good;
  bad.set_inline_data("x");
  CHECK(outcome(bad) == "corrupt");
  CHECK(outcome(good) == "read");
}

}  // namespace
}  // namespace gabion::test

#include "gateway/data/block_store.h"

#include "gateway/data/block_reader.h"
#include "gateway/data/block_writer.h"
#include "gateway/data/group_walk.h"

namespace gabion::gateway::data {
namespace {

// The part of slice `slice`, which begins at byte `begin` of the whole, that lies within [offset, end) of the whole.
std::optional<ReadSource> clip(const metadata::Slice& slice, std::uint64_t begin, std::uint64_t offset,
                               std::uint64_t end) {
  const std::uint64_t from = std::max(begin, offset);
  const std::uint64_t to = std::min(begin + slice.length(), end);
  if (from >= to) return std::nullopt;
  ReadSource source;
  source.id = slice.manifest();
  source.offset = slice.offset() + (from - begin);
  source.length = to - from;
  return source;
}

}  // namespace

BlockStore::BlockStore(const Dependencies& dependencies, Options options) : core_(dependencies, std::move(options)) {
  GABION_CHECK(core_.options.fetch_bytes % kSegmentBytes == 0 && core_.options.fetch_bytes >= kSegmentBytes,
               "fetches are whole segments");
}

task<Result<std::unique_ptr<Writer>>> BlockStore::write(Context ctx, std::optional<std::uint64_t> size_hint) {
  CO_TRY(auto key, co_await core_.deps.keys.new_data_key(ctx, core_.options.tenant));
  std::unique_ptr<Writer> writer = std::make_unique<BlockWriter>(core_, ctx, size_hint, std::move(key));
  co_return writer;
}

task<Result<std::unique_ptr<Reader>>> BlockStore::read(Context ctx, metadata::GroupId group, metadata::ManifestId id,
                                                       metadata::Manifest manifest, std::uint64_t offset,
                                                       std::uint64_t length) {
  if (offset > manifest.size() || length > manifest.size() - offset) {
    co_return Error(Errc::invalid, "the range to read lies outside the object");
  }
  std::deque<ReadSource> sources;
  std::vector<Pins::Pin> pins;
  // Pinned before anything is looked up, so that the collector cannot come in between.
  pins.push_back(core_.pins.pin(id));
  if (manifest.slices().empty()) {
    if (length != 0) sources.push_back({id, std::move(manifest), offset, length});
  } else {
    std::uint64_t begin = 0;
    for (const metadata::Slice& slice : manifest.slices()) {
      if (auto source = clip(slice, begin, offset, offset + length)) {
        pins.push_back(core_.pins.pin(source->id));
        sources.push_back(std::move(*source));
      }
      begin += slice.length();
    }
    if (begin != manifest.size()) co_return Error(Errc::corrupt, "a manifest's slices do not add up to its size");
    // All at once: once the object is deleted these can no longer be looked up.
    for (ReadSource& source : sources) {
      CO_TRY(source.manifest, co_await find_manifest(ctx, group, source.id));
    }
  }
  std::unique_ptr<Reader> reader = std::make_unique<BlockReader>(core_, ctx, std::move(sources), std::move(pins));
  co_return reader;
}

// A split may have moved the object, and this with it, to another group since it was looked up.
task<Result<metadata::Manifest>> BlockStore::find_manifest(Context ctx, metadata::GroupId group, metadata::ManifestId id) {
  auto found = co_await core_.deps.metadata.manifest(ctx, group, id);
  if (found || found.error().code != Errc::not_found) co_return found;
  GroupWalk groups(core_.deps.metadata);
  for (;;) {
    CO_TRY(const auto other, co_await groups.next(ctx));
    if (!other) co_return found;
    if (*other == group) continue;
    auto there = co_await core_.deps.metadata.manifest(ctx, *other, id);
    if (there || there.error().code != Errc::not_found) co_return there;
  }
}

task<void> BlockStore::close() {
  co_await core_.gate.close();
  co_await core_.alarms.close();
}

}  // namespace gabion::gateway::data

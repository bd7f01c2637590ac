#include "gateway/data/block_reads.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/log.h"

namespace gabion::gateway::data {
namespace {

// Sets of shards that are tried as the culprits when tags do not verify: all of size 1, then 2, ... up to parity.
constexpr std::size_t kSuspectsMax = 300;

std::size_t sealed_bytes(const BlockLayout& layout, SegmentRange range) {
  return layout.segment_begin(range.end) - layout.segment_begin(range.first);
}
std::size_t plain_bytes(const BlockLayout& layout, SegmentRange range) {
  return sealed_bytes(layout, range) - (range.end - range.first) * kTagBytes;
}

// The place of the next `bytes` of plaintext. Nowhere when it is not kept.
MutableBytes take(MutableBytes& out, std::size_t bytes) {
  if (out.empty()) return out;
  const MutableBytes here = out.first(bytes);
  out = out.subspan(bytes);
  return here;
}

// Everything that the attempts to read one range have in common. Where there is no place for the plaintext, it is verified and
// not kept.
struct SegmentRead {
  Core& core;
  Context ctx;
  std::shared_ptr<OpenManifest> open;
  BlockRef block;
  SegmentRange range;
  std::shared_ptr<AvoidedDrives> avoided;
  bool funded = false;  // the memory that any attempt takes is held already
};

struct Fetched {
  std::vector<Bytes> sealed;
  Result<void> verified;
};

task<Result<Fetched>> fetch_and_open(std::shared_ptr<SegmentRead> read, std::set<unsigned> distrusted, MutableBytes out,
                                     MemoryBudget::Lease lease) {
  const BlockLayout layout(read->block);
  ShardFetch::Request request;
  request.block = read->block;
  request.begin = layout.segment_begin(read->range.first);
  request.end = layout.segment_begin(read->range.end);
  request.avoided = read->avoided;
  request.distrusted = std::move(distrusted);
  request.funded = read->funded;
  Fetched fetched;
  CO_TRY(fetched.sealed, co_await ShardFetch::fetch(read->core, read->ctx, std::move(request), std::move(lease)));
  const auto& [first, end] = read->range;
  fetched.verified = out.empty() ? verify_segments(read->open->aead, read->block, first, end, fetched.sealed)
                                 : open_segments(read->open->aead, read->block, first, end, fetched.sealed, out);
  if (read->core.options.sabotage.trust_tags) fetched.verified = Result<void>();
  co_return fetched;
}

// The next set of `size` numbers below `count` in lexicographic order; false after the last.
bool next_combination(std::vector<unsigned>& set, unsigned count) {
  for (std::size_t i = set.size(); i-- > 0;) {
    if (set[i] < count - (set.size() - i)) {
      ++set[i];
      for (std::size_t j = i + 1; j < set.size(); ++j) set[j] = set[j - 1] + 1;
      return true;
    }
  }
  return false;
}

// Finds out which shards lie, by reading without them.
task<Result<std::vector<Bytes>>> read_without_suspects(std::shared_ptr<SegmentRead> read, MutableBytes out) {
  read->core.metrics.tag_failures.add();
  const BlockLayout layout(read->block);
  const unsigned spare = layout.shards() - layout.needed();
  std::size_t tries = 0;
  bool unanswered = false;  // a drive out of reach may have what would have verified
  for (unsigned size = 1; size <= spare; ++size) {
    std::vector<unsigned> suspects(size);
    for (unsigned i = 0; i < size; ++i) suspects[i] = i;
    do {
      if (++tries > kSuspectsMax) break;
      std::set<unsigned> distrusted(suspects.begin(), suspects.end());
      auto fetched = co_await fetch_and_open(read, std::move(distrusted), out, {});
      if (!fetched && fetched.error().code == Errc::exhausted) co_return fetched.error();
      if (!fetched && fetched.error().code != Errc::corrupt) unanswered = true;
      if (!fetched || !fetched->verified) continue;
      for (const unsigned shard : suspects) {
        LOG(error, "data", "shard holds bytes that do not verify", field("block", read->block.id.to_hex()),
            field("shard", shard));
        if (!read->core.options.sabotage.forget_repairs) read->core.repairs.add(read->block, shard);
      }
      co_return std::move(fetched->sealed);
    } while (next_combination(suspects, layout.shards()));
  }
  co_return Error(unanswered ? Errc::unavailable : Errc::corrupt,
                  fmt::format("block {} does not match its authentication tags: it was changed or exchanged{}",
                              read->block.id.to_hex(), unanswered ? ", and not all of its drives answer" : ""));
}

// Reads the range at once; when too few shards are good over all of it, segment by segment: many small faults may be
// spread over more than m shards.
task<Result<std::vector<Bytes>>> read_verified(std::shared_ptr<SegmentRead> read, MutableBytes out,
                                               MemoryBudget::Lease lease) {
  auto fetched = co_await fetch_and_open(read, {}, out, std::move(lease));
  if (fetched && fetched->verified) co_return std::move(fetched->sealed);
  if (fetched) co_return co_await read_without_suspects(read, out);
  const bool single = read->range.end - read->range.first == 1;
  const Errc code = fetched.error().code;
  if (single || (code != Errc::corrupt && code != Errc::unavailable)) co_return fetched.error();
  const BlockLayout layout(read->block);
  std::vector<Bytes> sealed;
  for (std::size_t i = read->range.first; i < read->range.end; ++i) {
    auto one = std::make_shared<SegmentRead>(*read);
    one->range = {i, i + 1};
    const MutableBytes place = take(out, layout.segment_plain(i));
    CO_TRY(auto pieces, co_await read_verified(one, place, {}));
    for (Bytes& piece : pieces) sealed.push_back(std::move(piece));
  }
  co_return sealed;
}

}  // namespace

task<Result<std::shared_ptr<OpenManifest>>> open_manifest(Core& core, Context ctx, metadata::ManifestId id,
                                                          metadata::Manifest manifest) {
  CO_CHECK(check_manifest(manifest));
  CO_TRY(const SecretKey key, co_await core.deps.keys.open_data_key(ctx, manifest.wrapped_key()));
  co_return std::make_shared<OpenManifest>(id, std::move(manifest), key);
}

std::size_t memory_for_segments(const BlockRef& block, SegmentRange range) {
  const BlockLayout layout(block);
  return sealed_bytes(layout, range) + MemoryBudget::footprint(plain_bytes(layout, range));
}

task<Result<Bytes>> read_segments(Core& core, Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                  SegmentRange range, MemoryBudget::Lease lease,
                                  std::shared_ptr<AvoidedDrives> avoided) {
  const std::size_t plain = plain_bytes(BlockLayout(block), range);
  const Buffer out = core.deps.memory.allocate(lease.split(MemoryBudget::footprint(plain)), plain);
  auto read = std::make_shared<SegmentRead>(SegmentRead{core, ctx, std::move(open), block, range, std::move(avoided)});
  const auto sealed = co_await read_verified(read, out.span(), std::move(lease));
  if (!sealed && sealed.error().code == Errc::deadline) co_return Error(Errc::unavailable, sealed.error().message);
  if (!sealed) co_return sealed.error();
  core.metrics.bytes_read.add(plain);
  co_return Bytes(out);
}

task<Result<Buffer>> read_sealed_block(Core& core, Context ctx, std::shared_ptr<OpenManifest> open, BlockRef block,
                                       std::size_t room, std::set<unsigned> doubtful) {
  const BlockLayout layout(block);
  const std::size_t size = std::max(room, layout.buffer_bytes());
  // One lease for the result, the shards and what is reconstructed of them, so that nothing is waited for while memory is held.
  const std::size_t result = MemoryBudget::footprint(size);
  CO_TRY(auto lease, co_await core.deps.memory.acquire(ctx, result + layout.shards() * layout.shard_bytes()));
  const Buffer sealed = core.deps.memory.allocate(lease.split(result), size);
  auto read = std::make_shared<SegmentRead>(SegmentRead{core, ctx, std::move(open), block, {0, layout.segments()},
                                                        std::make_shared<AvoidedDrives>(), true});
  const bool enough = !doubtful.empty() && doubtful.size() <= layout.shards() - layout.needed();
  Result<Fetched> fetched = Error(Errc::unavailable, "not read yet");
  if (enough) fetched = co_await fetch_and_open(read, std::move(doubtful), {}, {});
  if (!fetched || !fetched->verified) {
    fetched = Fetched();
    CO_TRY(fetched->sealed, co_await read_verified(read, {}, {}));
  }
  std::byte* to = sealed.data();
  for (const Bytes& piece : fetched->sealed) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
  co_return sealed;
}

}  // namespace gabion::gateway::data

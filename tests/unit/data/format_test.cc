// The stored bytes themselves, read by an independent reading of the format in layout.h.
#include <catch2/catch_test_macros.hpp>

#include "tests/support/data_world.h"

namespace gabion::test {
namespace {

using namespace gateway::data;  // NOLINT: the subject of every line here

Nonce nonce_of(std::uint64_t ordinal, std::uint32_t segment) {
  Nonce nonce{};
  for (int i = 0; i < 8; ++i) nonce[i] = static_cast<std::byte>(ordinal >> (8 * i));
  for (int i = 0; i < 4; ++i) nonce[8 + i] = static_cast<std::byte>(segment >> (8 * i));
  return nonce;
}

// The sealed block as the drives hold it, from its data shards or its first copy.
std::string sealed_of(DataWorld& w, const BlockRef& block) {
  std::string sealed;
  const unsigned count = block.copies ? 1 : block.profile.data;
  for (unsigned shard = 0; shard < count; ++shard) {
    sealed += w.home_drive(block.id, shard).shards().at(w.key(block.id, shard)).text();
  }
  return sealed;
}

// Opens every segment of every block with the nonce the format demands; adds each (key, nonce) to `used`.
std::string decode(DataWorld& w, const metadata::Manifest& manifest, std::multiset<std::string>& used) {
  const auto key = w.world.run(w.keys.open_data_key(Context(), manifest.wrapped_key()));
  REQUIRE(key.has_value());
  Aead aead(*key);
  std::string plain;
  if (!manifest.inline_data().empty()) {
    std::string out(manifest.inline_data().size() - 16, '\0');
    const Nonce nonce = nonce_of(~0ull, 0);
    used.insert(std::string(as_text(key->view())) + std::string(as_text(nonce)));
    REQUIRE(aead.open(nonce, as_bytes("gabion inline"), as_bytes(manifest.inline_data()),
                      std::as_writable_bytes(std::span(out))).has_value());
    return out;
  }
  for (int i = 0; i < manifest.blocks_size(); ++i) {
    const auto block = block_ref(manifest, 1, i);
    const std::string sealed = sealed_of(w, *block);
    std::size_t at = 0;
    std::uint32_t left = block->length;
    for (std::uint32_t segment = 0; left > 0; ++segment) {
      const std::uint32_t n = std::min<std::uint32_t>(left, 65536);
      std::string out(n, '\0');
      const Nonce nonce = nonce_of(static_cast<std::uint64_t>(i), segment);
      used.insert(std::string(as_text(key->view())) + std::string(as_text(nonce)));
      REQUIRE(aead.open(nonce, as_bytes(manifest.blocks(i).id()), as_bytes(std::string_view(sealed).substr(at, n + 16)),
                        std::as_writable_bytes(std::span(out))).has_value());
      plain += out;
      at += n + 16;
      left -= n;
    }
    for (; at < sealed.size(); ++at) REQUIRE(sealed[at] == 0);
  }
  return plain;
}

TEST_CASE("stored blocks follow the format, and no nonce is used twice under one key") {
  for (const erasure::Profile profile : {erasure::Profile{1, 0}, {2, 1}, {4, 2}}) {
    DataWorldOptions options;
    options.profile = profile;
    DataWorld w(options);
    std::multiset<std::string> used;
    for (const std::size_t size : {std::size_t{1}, kInlineMax, kInlineMax + 1, kSegmentBytes, kCopiesMax + 1, kBlockBytes,
                                   2 * kBlockBytes + 70'000}) {
      const std::string content = random_text(w.world.rng(), size);
      const auto written = w.write(content, std::nullopt, 33'333);
      REQUIRE(written.has_value());
      CHECK((decode(w, written->manifest, used) == content));
    }
    CHECK(std::set<std::string>(used.begin(), used.end()).size() == used.size());
  }
}

TEST_CASE("a full block is cut into whole cells where the number of data shards is a power of two") {
  for (const unsigned k : {1u, 2u, 4u, 8u, 16u, 32u}) {
    const BlockLayout layout({k, 1}, kBlockBytes, false);
    CHECK(layout.shard_bytes() % chunkserver::kCellBytes == 0);
    CHECK(layout.shard_bytes() * k == layout.sealed());
  }
  for (unsigned k = 1; k <= 32; ++k) {
    for (const std::size_t plain : {std::size_t{1}, std::size_t{131'073}, std::size_t{5'000'001}, kBlockBytes}) {
      const BlockLayout layout({k, 2}, plain, false);
      CHECK(layout.shard_bytes() % 64 == 0);
      CHECK(layout.shard_bytes() * k >= layout.sealed());
      CHECK(layout.shard_bytes() <= chunkserver::kShardBytesMax);
      std::size_t covered = 0;
      for (const ShardRange& range : layout.ranges(0, layout.sealed())) covered += range.end - range.begin;
      CHECK(covered == layout.sealed());
    }
  }
}

TEST_CASE("every byte of a stored block is guarded: more than m shards tampered give an error, never other bytes") {
  DataWorldOptions options;
  options.profile = {2, 1};
  DataWorld w(options);
  const std::string content = random_text(w.world.rng(), 200'000);
  const auto id = w.put("key", content);
  const BlockRef block = w.block(id);
  const std::size_t length = BlockLayout(block).shard_bytes();
  for (int i = 0; i < 50; ++i) {
    const std::size_t a = w.world.rng().below(length), b = w.world.rng().below(length);
    for (int undo = 0; undo < 2; ++undo) {
      w.home_drive(block.id, 0).tamper(w.key(block.id, 0), a);
      w.home_drive(block.id, 1).tamper(w.key(block.id, 1), b);
      const auto got = w.read(id);
      if (got) CHECK((*got == content));  // the padding is not part of the block
      else CHECK(got.error().code == Errc::corrupt);
      if (undo == 0) CHECK(!got.has_value());
    }
  }
}

TEST_CASE("blocks exchanged with one another, in place or in the manifest, do not verify") {
  DataWorldOptions options;
  options.profile = {1, 0};
  DataWorld w(options);
  const auto id = w.put("key", random_text(w.world.rng(), 2 * kBlockBytes));
  const BlockRef a = w.block(id, 0), b = w.block(id, 1);
  metadata::Manifest swapped = w.metadata.at(id);
  swapped.mutable_blocks()->SwapElements(0, 1);
  CHECK(w.world.run(read_all(w.store, id, swapped, 0, swapped.size())).error().code == Errc::corrupt);
  FakeShardStore& drive = *w.drives[0];
  const Bytes first = drive.shards().at(w.key(a.id, 0));
  drive.set(w.key(a.id, 0), drive.shards().at(w.key(b.id, 0)));
  drive.set(w.key(b.id, 0), first);
  CHECK(w.read(id).error().code == Errc::corrupt);
}

TEST_CASE("inline data that was changed, or belongs to another object, does not verify") {
  DataWorld w({});
  const auto a = w.put("a", random_text(w.world.rng(), 1000));
  const auto b = w.put("b", random_text(w.world.rng(), 1000));
  metadata::Manifest mixed = w.metadata.at(a);
  mixed.set_inline_data(w.metadata.at(b).inline_data());
  CHECK(w.world.run(read_all(w.store, a, mixed, 0, 1000)).error().code == Errc::corrupt);
  mixed = w.metadata.at(a);
  (*mixed.mutable_inline_data())[500] ^= 1;
  CHECK(w.world.run(read_all(w.store, a, mixed, 0, 1000)).error().code == Errc::corrupt);
  CHECK(w.read(a).has_value());
}

TEST_CASE("nothing of the plaintext is on any drive or in the manifest") {
  DataWorld w({});
  const std::string marker = "marker-0123456789abcdef-marker";
  std::string content;
  while (content.size() < 600'000) content += marker;
  for (const std::size_t size : {std::size_t{5000}, std::size_t{100'000}, content.size()}) {
    const auto id = w.put("key" + std::to_string(size), content.substr(0, size));
    CHECK(w.metadata.at(id).SerializeAsString().find(marker) == std::string::npos);
  }
  for (const auto& drive : w.drives) {
    for (const auto& [key, bytes] : drive->shards()) CHECK(bytes.text().find("0123456789abcdef") == std::string::npos);
  }
}

}  // namespace
}  // namespace gabion::test

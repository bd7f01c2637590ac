#include "gateway/data/block_writer.h"

#include <algorithm>

#include "gateway/data/encode.h"

namespace gabion::gateway::data {

BlockWriter::BlockWriter(Core& core, Context ctx, std::optional<std::uint64_t> size_hint, KeyStore::DataKey key)
    : core_(core), ctx_(ctx), size_hint_(size_hint), profile_(core.profile()), key_(std::move(key)), aead_(key_.key) {
  staging_ = !size_hint_ || *size_hint_ <= kInlineMax;
  written_.manifest.set_data_shards(profile_.data);
  written_.manifest.set_parity_shards(profile_.parity);
  written_.manifest.set_wrapped_key(key_.wrapped);
}

BlockWriter::~BlockWriter() {
  if (released_) return;
  for (const InFlight& block : in_flight_) block.write->abandon();
  std::vector<BlockId> late;
  for (const auto& write : stragglers_) {
    write->abandon();
    late.push_back(write->block().id);
  }
  for (int i = 0; i < written_.manifest.blocks_size(); ++i) {
    const auto block = block_ref(written_.manifest, 0, i);
    if (!block || std::find(late.begin(), late.end(), block->id) != late.end()) continue;
    core_.discards.add({block->id, BlockLayout(*block).shards()});
  }
}

task<Result<void>> BlockWriter::append(ByteView plaintext) {
  GABION_CHECK(!finished_, "nothing is appended after finish()");
  if (failed_) co_return *failed_;
  auto work = staging_ ? stage(plaintext) : seal(plaintext);
  auto result = co_await std::move(work);
  if (!result) failed_ = result.error();
  co_return result;
}

task<Result<void>> BlockWriter::stage(ByteView plaintext) {
  if (staged_bytes_ + plaintext.size() <= kInlineMax) {
    if (plaintext.empty()) co_return Result<void>();
    if (staged_.size() == 0) {
      const std::size_t bytes = size_hint_ ? std::max<std::size_t>(*size_hint_, plaintext.size()) : kInlineMax;
      CO_TRY(auto lease, co_await core_.deps.memory.acquire(ctx_, MemoryBudget::footprint(bytes)));
      staged_ = core_.deps.memory.allocate(std::move(lease), bytes);
    }
    if (staged_bytes_ + plaintext.size() <= staged_.size()) {
      std::memcpy(staged_.data() + staged_bytes_, plaintext.data(), plaintext.size());
      staged_bytes_ += plaintext.size();
      co_return Result<void>();
    }
  }
  // More than an inline object: what was staged begins the first block.
  staging_ = false;
  const Buffer begun = std::exchange(staged_, Buffer());
  const std::size_t bytes = std::exchange(staged_bytes_, 0);
  if (bytes != 0) CO_CHECK(co_await seal(ByteView(begun.data(), bytes)));
  co_return co_await seal(plaintext);
}

task<Result<void>> BlockWriter::seal(ByteView plaintext) {
  while (!plaintext.empty()) {
    if (!filling_) CO_CHECK(co_await begin_block());
    const std::size_t n = std::min(plaintext.size(), filling_->capacity - filling_->sealer->plain());
    filling_->sealer->append(plaintext.first(n));
    size_ += n;
    plaintext = plaintext.subspan(n);
    if (filling_->sealer->plain() == filling_->capacity) CO_CHECK(co_await end_block());
  }
  co_return Result<void>();
}

std::size_t BlockWriter::next_capacity() const {
  if (!size_hint_ || *size_hint_ <= size_) return kBlockBytes;
  return static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, *size_hint_ - size_));
}

// Blocks of this profile may be committed for as long as blocks may that were placed by this ring.
void BlockWriter::begin_placing() {
  const auto view = core_.deps.placement.view();
  mark_.emplace(core_.write_rings, view->epoch());
  profile_ = view->profile.value_or(core_.options.profile);
  written_.manifest.set_data_shards(profile_.data);
  written_.manifest.set_parity_shards(profile_.parity);
  written_.manifest.set_ring_epoch(view->epoch());
}

task<Result<void>> BlockWriter::begin_block() {
  CO_CHECK(co_await settle(kBlocksInMemory - 1));
  if (!mark_) begin_placing();
  Filling filling;
  filling.capacity = next_capacity();
  filling.block.id = BlockId::random(core_.deps.rng);
  filling.block.ordinal = core_.options.sabotage.reuse_nonces ? 0 : ordinal_;
  filling.block.profile = profile_;
  ++ordinal_;
  // Parity's memory comes with the data's: a writer that waited for it later could wait for another one that does the
  // same. A block that ends early needs less.
  const bool copies = filling.capacity <= kCopiesMax;
  const std::size_t bytes = BlockLayout(filling.block.profile, filling.capacity, copies).buffer_bytes();
  CO_TRY(auto lease, co_await core_.deps.memory.acquire(ctx_, MemoryBudget::footprint(bytes)));
  filling.buffer = core_.deps.memory.allocate(std::move(lease), bytes);
  filling_.emplace(std::move(filling));
  filling_->sealer.emplace(aead_, filling_->block.id, filling_->block.ordinal, filling_->buffer.span());
  co_return Result<void>();
}

task<Result<void>> BlockWriter::end_block() {
  BlockRef block = filling_->block;
  block.length = static_cast<std::uint32_t>(filling_->sealer->plain());
  block.copies = block.length <= kCopiesMax;
  const std::size_t sealed = filling_->sealer->finish();
  GABION_CHECK(sealed == BlockLayout(block).sealed(), "a block is sealed to the size of its layout");
  auto shards = encode_block(core_, block, filling_->buffer);
  filling_.reset();  // the shards hold the buffer now
  const Executor executor = co_await asio::this_coro::executor;
  in_flight_.push_back({BlockWrite::start(core_, ctx_, executor, block, std::move(shards)), block});
  co_return Result<void>();
}

task<Result<void>> BlockWriter::settle(std::size_t most) {
  while (in_flight_.size() > most) {
    CO_TRY(const auto missing, co_await in_flight_.front().write->wait());
    const InFlight done = std::move(in_flight_.front());
    in_flight_.pop_front();
    metadata::Block* block = written_.manifest.add_blocks();
    block->set_id(std::string(done.block.id.raw()));
    block->set_length(done.block.length);
    block->set_copies(done.block.copies);
    written_.manifest.set_ring_epoch(std::min(written_.manifest.ring_epoch(), done.write->ring_epoch()));
    if (done.write->pending() != 0) stragglers_.push_back(done.write);
    if (missing.empty() || core_.options.sabotage.forget_repairs) continue;
    metadata::RepairIntent& intent = written_.intents.emplace_back();
    intent.set_block(std::string(done.block.id.raw()));
    for (const unsigned shard : missing) intent.add_shards(shard);
  }
  co_return Result<void>();
}

task<Result<Written>> BlockWriter::finish() {
  GABION_CHECK(!finished_, "finish() is called once");
  if (failed_) co_return *failed_;
  finished_ = true;
  if (staging_) {
    size_ = staged_bytes_;
    if (staged_bytes_ != 0) {
      written_.manifest.set_inline_data(seal_inline(aead_, ByteView(staged_.data(), staged_bytes_)));
    }
    staged_ = Buffer();
  } else {
    if (filling_) CO_CHECK(co_await end_block());
    CO_CHECK(co_await settle(0));
  }
  written_.manifest.set_size(size_);
  co_return written_;
}

}  // namespace gabion::gateway::data

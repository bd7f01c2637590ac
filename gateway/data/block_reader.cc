#include "gateway/data/block_reader.h"

#include <algorithm>

namespace gabion::gateway::data {

BlockReader::BlockReader(Core& core, Context ctx, std::deque<ReadSource> sources, std::vector<Pins::Pin> pins)
    : session_(std::make_shared<Session>(core, ctx, std::move(pins))), sources_(std::move(sources)) {}

task<Result<void>> BlockReader::next_source() {
  ReadSource source = std::move(sources_.front());
  sources_.pop_front();
  CO_TRY(open_, co_await open_manifest(session_->core, session_->ctx, source.id, std::move(source.manifest)));
  if (source.offset > open_->manifest.size() || source.length > open_->manifest.size() - source.offset) {
    co_return Error(Errc::corrupt, "a slice reaches beyond its manifest");
  }
  left_ = source.length;
  block_offset_ = source.offset;
  block_ = 0;
  while (block_ < open_->manifest.blocks_size() && block_offset_ >= open_->manifest.blocks(block_).length()) {
    block_offset_ -= open_->manifest.blocks(block_).length();
    ++block_;
  }
  co_return Result<void>();
}

task<Result<std::shared_ptr<BlockReader::Piece>>> BlockReader::plan() {
  while (left_ == 0) {
    if (sources_.empty()) co_return std::shared_ptr<Piece>();
    CO_CHECK(co_await next_source());
  }
  if (open_->manifest.inline_data().empty()) co_return cut_piece();
  auto piece = std::make_shared<Piece>();
  CO_TRY(const Bytes plain, open_inline(open_->aead, open_->manifest.inline_data()));
  piece->result = plain.slice(block_offset_, left_);
  left_ = 0;
  co_return piece;
}

std::shared_ptr<BlockReader::Piece> BlockReader::cut_piece() {
  auto piece = std::make_shared<Piece>();
  piece->open = open_;
  const auto block = block_ref(open_->manifest, open_->id, block_);
  if (!block) {
    piece->result = block.error();
    return piece;
  }
  piece->block = *block;
  // Pieces end at multiples of the fetch size, so that those of full blocks lie in one shard each.
  const std::uint64_t fetch = session_->core.options.fetch_bytes;
  const std::uint64_t stop = std::min<std::uint64_t>({block_offset_ + left_, block->length, (block_offset_ / fetch + 1) * fetch});
  piece->range = {static_cast<std::size_t>(block_offset_ / kSegmentBytes),
                  static_cast<std::size_t>((stop + kSegmentBytes - 1) / kSegmentBytes)};
  piece->skip = block_offset_ % kSegmentBytes;
  piece->length = stop - block_offset_;
  left_ -= piece->length;
  block_offset_ = stop;
  if (stop == block->length) {
    ++block_;
    block_offset_ = 0;
  }
  return piece;
}

task<void> BlockReader::read_piece(std::shared_ptr<Session> session, std::shared_ptr<Piece> piece) {
  auto bytes = co_await read_segments(session->core, session->ctx, piece->open, piece->block, piece->range,
                                      std::move(piece->lease), session->avoided);
  if (bytes) piece->result = bytes->slice(piece->skip, piece->length);
  else piece->result = bytes.error();
  piece->done.set();
}

// Begins the fetches of the next pieces, as far as there is memory that nobody waits for. An error here is found again,
// and returned, when its turn comes.
task<void> BlockReader::start_ahead() {
  const Executor executor = co_await asio::this_coro::executor;
  while (ahead_.size() < session_->core.options.readahead) {
    if (!planned_) {
      auto piece = co_await plan();
      if (!piece) failed_ = piece.error();
      if (!piece || !*piece) co_return;
      planned_ = std::move(*piece);
    }
    if (!planned_->result) {
      auto lease = session_->core.deps.memory.try_acquire(memory_for_segments(planned_->block, planned_->range));
      if (!lease) co_return;
      planned_->lease = std::move(*lease);
      if (!spawn(executor, session_->core.gate, "read ahead", read_piece(session_, planned_))) {
        planned_->result = Error(Errc::cancelled, "the data store is closing");
        planned_->done.set();
      }
    } else {
      planned_->done.set();
    }
    ahead_.push_back(std::exchange(planned_, nullptr));
  }
}

task<Result<Bytes>> BlockReader::next() {
  std::shared_ptr<Piece> piece;
  bool begun = false;
  if (!ahead_.empty()) {
    piece = std::move(ahead_.front());
    ahead_.pop_front();
    begun = true;
  } else if (planned_) {
    piece = std::exchange(planned_, nullptr);
  } else {
    if (failed_) co_return *failed_;
    CO_TRY(piece, co_await plan());
    if (!piece) co_return Bytes();
  }
  if (!begun && !piece->result) {
    const std::size_t bytes = memory_for_segments(piece->block, piece->range);
    CO_TRY(piece->lease, co_await session_->core.deps.memory.acquire(session_->ctx, bytes));
  }
  if (!failed_) co_await start_ahead();
  if (begun) co_await piece->done.wait();
  else if (!piece->result) co_await read_piece(session_, piece);
  co_return std::move(*piece->result);
}

}  // namespace gabion::gateway::data

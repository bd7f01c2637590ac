#include "common/rpc/frame_writer.h"

#include <algorithm>

namespace gabion::rpc {
namespace {

// Small frames that wait together share one write and one TLS record.
constexpr std::size_t kBatchBytes = 16 * KiB;

}  // namespace

void FrameWriter::push(OutgoingFrame frame) {
  if (stopped_) return;
  queued_bytes_ += frame.size();
  const FrameKind kind = frame.head.kind;
  if (kind == FrameKind::ping || kind == FrameKind::goodbye) {
    control_.push_back(std::move(frame));
  } else if (frame.head.priority == Priority::interactive) {
    interactive_.push_back(std::move(frame));
  } else {
    background_.push_back(std::move(frame));
  }
  wake_.set();
}

void FrameWriter::ping() {
  if (queued_bytes_ == 0) push({});
}

void FrameWriter::finish() {
  finishing_ = true;
  wake_.set();
}

void FrameWriter::stop() {
  stopped_ = true;
  wake_.set();
}

FrameWriter::Queue& FrameWriter::next_queue() {
  if (!control_.empty()) return control_;
  const bool turn_of_background = interactive_run_ >= kInteractiveRun && !background_.empty();
  if (interactive_.empty() || turn_of_background) {
    interactive_run_ = 0;
    return background_;
  }
  ++interactive_run_;
  return interactive_;
}

// One frame of any size, or several that are small together. Calls that nobody waits for any more are left out.
std::vector<OutgoingFrame> FrameWriter::take_batch() {
  std::vector<OutgoingFrame> batch;
  std::size_t bytes = 0;
  while (!empty()) {
    Queue& queue = next_queue();
    const std::size_t size = queue.front().size();
    if (!batch.empty() && bytes + size > kBatchBytes) break;
    OutgoingFrame frame = std::move(queue.front());
    queue.pop_front();
    if (frame.head.kind == FrameKind::call && !still_wanted_(frame.head.id)) {
      queued_bytes_ -= size;
      continue;
    }
    bytes += size;
    batch.push_back(std::move(frame));
  }
  return batch;
}

task<Result<void>> FrameWriter::write(std::vector<OutgoingFrame> batch) {
  std::vector<std::string> heads;
  heads.reserve(batch.size());
  std::vector<ByteView> pieces;
  std::size_t bytes = 0;
  const TimePoint now = clock_.now();
  for (OutgoingFrame& frame : batch) {
    frame.head.deadline_ms = remaining_ms(frame.deadline, now);
    heads.push_back(encode_frame(frame.head, frame.meta, frame.payload));
    pieces.push_back(as_bytes(heads.back()));
    for (const Bytes& piece : frame.payload) {
      if (!piece.empty()) pieces.push_back(piece.view());
    }
    bytes += frame.size();
  }
  const auto written = co_await stream_.write_all(pieces);
  queued_bytes_ -= bytes;
  if (written) bytes_out_.add(bytes);
  co_return written;
}

task<Result<void>> FrameWriter::run() {
  while (!stopped_) {
    std::vector<OutgoingFrame> batch = take_batch();
    if (!batch.empty()) {
      CO_CHECK(co_await write(std::move(batch)));
    } else if (finishing_) {
      break;
    } else {
      co_await wake_.wait();
    }
  }
  co_return Result<void>();
}

}  // namespace gabion::rpc

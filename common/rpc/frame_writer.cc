#include "common/rpc/frame_writer.h"

#include <algorithm>

namespace gabion::rpc {
namespace {

// Small frames that wait together share one write and one TLS record.
constexpr std::size_t kBatchBytes = 16 * KiB;

enum Class : std::size_t { urgent, interactive, background };

Class class_of(const OutgoingFrame& frame) {
  switch (frame.head.kind) {
    case FrameKind::ping:
    case FrameKind::goodbye:
    case FrameKind::post: return urgent;
    default: break;
  }
  if (frame.head.priority == Priority::background) return background;
  return frame.size() <= kBatchBytes ? urgent : interactive;
}

}  // namespace

void FrameWriter::push(OutgoingFrame frame) {
  if (stopped_) return;
  queued_bytes_ += frame.size();
  if (frame.head.kind == FrameKind::post) queued_posts_ += frame.size();
  queues_[class_of(frame)].frames.push_back(std::move(frame));
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

// The first that has frames and has not had its row, unless no other one waits. nullptr: there is nothing.
FrameWriter::Queue* FrameWriter::next_queue() {
  Queue* first = nullptr;
  for (Queue& queue : queues_) {
    if (queue.frames.empty()) continue;
    if (queue.in_a_row < queue.most_in_a_row) return &queue;
    if (first == nullptr) first = &queue;
  }
  return first;
}

OutgoingFrame FrameWriter::take_from(Queue& queue) {
  for (Queue* earlier = queues_.data(); earlier != &queue; ++earlier) earlier->in_a_row = 0;
  ++queue.in_a_row;
  OutgoingFrame frame = std::move(queue.frames.front());
  queue.frames.pop_front();
  return frame;
}

// One frame of any size, or several that are small together. Calls that nobody waits for any more are left out.
std::vector<OutgoingFrame> FrameWriter::take_batch() {
  std::vector<OutgoingFrame> batch;
  std::size_t bytes = 0;
  while (Queue* queue = next_queue()) {
    const std::size_t size = queue->frames.front().size();
    if (!batch.empty() && bytes + size > kBatchBytes) break;
    OutgoingFrame frame = take_from(*queue);
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
  std::size_t posts = 0;
  const TimePoint now = clock_.now();
  for (OutgoingFrame& frame : batch) {
    frame.head.deadline_ms = remaining_ms(frame.deadline, now);
    heads.push_back(encode_frame(frame.head, frame.meta, frame.payload));
    pieces.push_back(as_bytes(heads.back()));
    for (const Bytes& piece : frame.payload) {
      if (!piece.empty()) pieces.push_back(piece.view());
    }
    bytes += frame.size();
    if (frame.head.kind == FrameKind::post) posts += frame.size();
  }
  const auto written = co_await stream_.write_all(pieces);
  queued_bytes_ -= bytes;
  queued_posts_ -= posts;
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

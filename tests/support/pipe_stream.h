// Two ends of a connection in memory, in simulated time: what one end writes the other reads. Each direction
// holds a bounded number of bytes, so that a writer stalls when nobody reads. Deadlines are exact. One
// thread, of the world.
//
//   auto [server, client] = make_pipe(world);
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "common/net/byte_stream.h"
#include "tests/support/sim.h"

namespace gabion::sim {

// One direction.
struct PipeHalf {
  std::string bytes;
  std::size_t capacity = 64 * KiB;
  bool writer_gone = false;  // the reader gets what is left, then the end
  bool reader_gone = false;  // writes fail
  Event readable, writable;
};

class PipeStream final : public net::ByteStream {
 public:
  PipeStream(SimWorld& world, std::shared_ptr<PipeHalf> in, std::shared_ptr<PipeHalf> out)
      : world_(world), in_(std::move(in)), out_(std::move(out)) {}
  ~PipeStream() override { hang_up(); }

  // Reads return no more than this many bytes at a time.
  void set_read_limit(std::size_t bytes) { read_limit_ = bytes; }
  // How much this end may write before the other has to read.
  void set_write_capacity(std::size_t bytes) { out_->capacity = bytes; }
  // For a write that waits for a capacity it has been given since.
  void wake_writer() { out_->writable.set(); }

  task<Result<std::size_t>> read_some(MutableBytes into) override {
    for (;;) {
      CO_CHECK(usable());
      if (!in_->bytes.empty()) break;
      if (in_->writer_gone) co_return Error(Errc::end_of_stream, "the peer closed");
      co_await in_->readable.wait();
    }
    const std::size_t n = std::min({into.size(), in_->bytes.size(), read_limit_});
    std::memcpy(into.data(), in_->bytes.data(), n);
    in_->bytes.erase(0, n);
    in_->writable.set();
    co_return n;
  }

  task<Result<void>> write_all(std::span<const ByteView> pieces) override {
    ++writes_;
    for (const ByteView piece : pieces) {
      std::string_view rest = as_text(piece);
      while (!rest.empty()) {
        CO_CHECK(usable());
        if (out_->reader_gone) co_return Error(Errc::end_of_stream, "the peer is gone");
        const std::size_t n =
            std::min(rest.size(), out_->capacity - std::min(out_->capacity, out_->bytes.size()));
        if (n == 0) {
          co_await out_->writable.wait();
          continue;
        }
        out_->bytes += rest.substr(0, n);
        rest.remove_prefix(n);
        out_->readable.set();
      }
    }
    co_return Result<void>();
  }

  void set_deadline(TimePoint deadline) override {
    deadline_ = deadline;
    const auto when = deadline.time_since_epoch();
    // Idle time-outs are set again and again: what is left of an old one only looks and finds nothing due.
    if (deadline != TimePoint::max()) {
      world_.at(static_cast<std::uint64_t>(when.count()), [in = in_, out = out_] {
        in->readable.set();
        out->writable.set();
      });
    }
  }
  task<void> close() override {
    hang_up();
    co_return;
  }
  void abort() override {
    hang_up();
    in_->readable.set();
    out_->writable.set();
  }
  std::string peer_address() const override { return "192.0.2.7:50312"; }
  bool is_encrypted() const override { return false; }
  std::size_t writes() const { return writes_; }
  bool closed() const { return closed_; }

 private:
  Result<void> usable() const {
    if (closed_) return Error(Errc::cancelled, "the connection was dropped");
    if (world_.clock().now() >= deadline_)
      return Error(Errc::deadline, "the connection's deadline has passed");
    return {};
  }
  void hang_up() {
    closed_ = true;
    out_->writer_gone = true;
    in_->reader_gone = true;
    out_->readable.set();
    in_->writable.set();
  }

  SimWorld& world_;
  const std::shared_ptr<PipeHalf> in_, out_;
  TimePoint deadline_ = TimePoint::max();
  std::size_t read_limit_ = SIZE_MAX;
  std::size_t writes_ = 0;
  bool closed_ = false;
};

inline std::pair<std::unique_ptr<PipeStream>, std::unique_ptr<PipeStream>> make_pipe(SimWorld& world) {
  auto up = std::make_shared<PipeHalf>();
  auto down = std::make_shared<PipeHalf>();
  return {std::make_unique<PipeStream>(world, up, down), std::make_unique<PipeStream>(world, down, up)};
}

}  // namespace gabion::sim

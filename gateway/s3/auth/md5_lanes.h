// Md5Lanes hashes the bodies of many requests together on one thread. MD5 cannot be split within one body, but sixteen
// bodies side by side in the lanes of wide registers go seven times as fast as one after the other. A task offers a piece
// and is suspended; the pieces waiting are hashed together as soon as the lanes are full or everything else that was
// ready on the thread has had its turn, so that nobody waits while there is nothing to wait for. SHA-256 over the same
// piece is done on the way, two bodies at a time.
//
// One per thread; used only by tasks on the executor given. It must outlive the tasks that use it.
#pragma once

#include <memory>
#include <vector>

#include "common/async.h"
#include "gateway/s3/auth/lane_kernels.h"
#include "gateway/s3/auth/streams.h"

namespace gabion::gateway::s3 {

class Md5Lanes {
 public:
  explicit Md5Lanes(Executor executor);
  // With this kernel only, or none (nullptr), whatever the processor could do. For tests and measurements.
  Md5Lanes(Executor executor, const Md5LaneKernel* kernel);
  ~Md5Lanes();
  Md5Lanes(const Md5Lanes&) = delete;
  Md5Lanes& operator=(const Md5Lanes&) = delete;

  // Adds `bytes` to `md5`, and to `sha256` unless it is nullptr. All three must stay valid until it returns.
  task<void> update(Md5Stream& md5, Sha256Stream* sha256, ByteView bytes);

  // Pieces below this are hashed at once by whoever has them: waiting would cost more than it saves.
  static constexpr std::size_t kPieceMin = 16 * KiB;

 private:
  struct Job;
  struct State;
  static void hash_at_once(Job& job);
  static void run(State& state);
  static void turn(const std::shared_ptr<State>& state, int turns_left);
  static void run_md5(const Md5LaneKernel& kernel, const std::vector<Job*>& jobs);
  static void run_sha256(const std::vector<Job*>& jobs);

  // Shared with turns that are posted and not run yet.
  std::shared_ptr<State> state_;
};

}  // namespace gabion::gateway::s3

#include "gateway/s3/auth/md5_lanes.h"

#include <algorithm>
#include <array>

namespace gabion::gateway::s3 {
namespace {

// Turns of the event loop between the first offer and the hashing. One lets what is ready run, the next lets what the
// sockets delivered meanwhile run too.
constexpr int kTurns = 2;

// The whole blocks of a piece that can be hashed in place, once the stream's open block has been completed.
struct Blocks {
  const std::byte* data = nullptr;
  std::size_t left = 0;
};

// Splits `bytes` for a stream: completes its open block, gives back the whole blocks, and keeps the rest in the tail.
// The stream's state then lacks exactly the blocks given back.
template <class Hash>
Blocks take_blocks(HashTail& tail, ByteView bytes, Hash hash) {
  const std::size_t have = tail.size();
  tail.total += bytes.size();
  if (have != 0) {
    const std::size_t take = std::min(kHashBlock - have, bytes.size());
    std::memcpy(tail.bytes.data() + have, bytes.data(), take);
    bytes = bytes.subspan(take);
    if (have + take < kHashBlock) return {};
    hash(tail.bytes.data());
  }
  const Blocks blocks{bytes.data(), bytes.size() / kHashBlock};
  bytes = bytes.subspan(blocks.left * kHashBlock);
  if (!bytes.empty()) std::memcpy(tail.bytes.data(), bytes.data(), bytes.size());
  return blocks;
}

}  // namespace

struct Md5Lanes::Job {
  Job(Md5Stream& m, Sha256Stream* s, ByteView b) : md5(m), sha256(s), bytes(b) {}
  Md5Stream& md5;
  Sha256Stream* sha256;
  ByteView bytes;
  Blocks md5_blocks;
  Blocks sha256_blocks;
  Event done;
};

struct Md5Lanes::State {
  State(Executor e, const Md5LaneKernel* k) : executor(std::move(e)), kernel(k) {}
  const Executor executor;
  const Md5LaneKernel* const kernel;
  std::vector<Job*> waiting;
  bool turning = false;  // a turn is posted
};

Md5Lanes::Md5Lanes(Executor executor)
    : Md5Lanes(std::move(executor), md5_lane_kernels().empty() ? nullptr : &md5_lane_kernels().front()) {}
Md5Lanes::Md5Lanes(Executor executor, const Md5LaneKernel* kernel)
    : state_(std::make_shared<State>(std::move(executor), kernel)) {}
Md5Lanes::~Md5Lanes() = default;

task<void> Md5Lanes::update(Md5Stream& md5, Sha256Stream* sha256, ByteView bytes) {
  Job job(md5, sha256, bytes);
  if (!state_->kernel || bytes.size() < kPieceMin) {
    hash_at_once(job);
    co_return;
  }
  state_->waiting.push_back(&job);
  if (state_->waiting.size() >= state_->kernel->lanes) {
    run(*state_);
  } else if (!state_->turning) {
    state_->turning = true;
    turn(state_, kTurns);
  }
  co_await job.done.wait();
}

void Md5Lanes::turn(const std::shared_ptr<State>& state, int turns_left) {
  asio::post(state->executor, [state, turns_left] {
    if (turns_left > 1) return turn(state, turns_left - 1);
    state->turning = false;
    run(*state);
  });
}

void Md5Lanes::hash_at_once(Job& job) {
  const auto hash_md5 = [&](const std::byte* data) { md5_blocks(job.md5.state_, data, 1); };
  const Blocks md5 = take_blocks(job.md5.tail_, job.bytes, hash_md5);
  std::size_t together = 0;
  if (job.sha256) {
    const auto hash_sha256 = [&](const std::byte* data) { sha256_blocks(job.sha256->state_, data, 1); };
    const Blocks sha256 = take_blocks(job.sha256->tail_, job.bytes, hash_sha256);
    together = std::min(md5.left, sha256.left);
    md5_sha256_blocks(job.md5.state_, job.sha256->state_, md5.data, sha256.data, together);
    sha256_blocks(job.sha256->state_, sha256.data + together * kHashBlock, sha256.left - together);
  }
  md5_blocks(job.md5.state_, md5.data + together * kHashBlock, md5.left - together);
}

void Md5Lanes::run(State& state) {
  std::vector<Job*> jobs;
  jobs.swap(state.waiting);
  if (jobs.size() < state.kernel->worth_from) {
    for (Job* job : jobs) hash_at_once(*job);
  } else {
    run_md5(*state.kernel, jobs);
    run_sha256(jobs);
  }
  for (Job* job : jobs) job->done.set();
}

void Md5Lanes::run_md5(const Md5LaneKernel& kernel, const std::vector<Job*>& jobs) {
  std::vector<Job*> active = jobs;
  for (Job* job : active) {
    const auto hash = [job](const std::byte* data) { md5_blocks(job->md5.state_, data, 1); };
    job->md5_blocks = take_blocks(job->md5.tail_, job->bytes, hash);
  }
  alignas(64) std::array<std::uint32_t, 4 * kLanesMax> lanes{};
  std::array<const std::byte*, kLanesMax> data;
  std::erase_if(active, [](const Job* job) { return job->md5_blocks.left == 0; });
  while (active.size() >= kernel.worth_from) {
    std::size_t blocks = active.front()->md5_blocks.left;
    for (const Job* job : active) blocks = std::min(blocks, job->md5_blocks.left);
    for (std::size_t i = 0; i < kernel.lanes; ++i) {
      const Job& job = *active[i % active.size()];  // idle lanes repeat one; what they compute is dropped
      data[i] = job.md5_blocks.data;
      for (std::size_t word = 0; word < 4; ++word) lanes[word * kernel.lanes + i] = job.md5.state_[word];
    }
    kernel.run(lanes.data(), data.data(), blocks);
    for (std::size_t i = 0; i < active.size(); ++i) {
      Job& job = *active[i];
      for (std::size_t word = 0; word < 4; ++word) job.md5.state_[word] = lanes[word * kernel.lanes + i];
      job.md5_blocks.data += blocks * kHashBlock;
      job.md5_blocks.left -= blocks;
    }
    std::erase_if(active, [](const Job* job) { return job->md5_blocks.left == 0; });
  }
  for (Job* job : active) md5_blocks(job->md5.state_, job->md5_blocks.data, job->md5_blocks.left);
}

void Md5Lanes::run_sha256(const std::vector<Job*>& jobs) {
  std::vector<Job*> active;
  for (Job* job : jobs) {
    if (!job->sha256) continue;
    const auto hash = [job](const std::byte* data) { sha256_blocks(job->sha256->state_, data, 1); };
    job->sha256_blocks = take_blocks(job->sha256->tail_, job->bytes, hash);
    if (job->sha256_blocks.left != 0) active.push_back(job);
  }
  while (has_sha256_pair() && active.size() >= 2) {
    Job& a = *active[active.size() - 1];
    Job& b = *active[active.size() - 2];
    const std::size_t blocks = std::min(a.sha256_blocks.left, b.sha256_blocks.left);
    sha256_pair_blocks(a.sha256->state_, b.sha256->state_, a.sha256_blocks.data, b.sha256_blocks.data, blocks);
    for (Job* job : {&a, &b}) {
      job->sha256_blocks.data += blocks * kHashBlock;
      job->sha256_blocks.left -= blocks;
    }
    std::erase_if(active, [](const Job* job) { return job->sha256_blocks.left == 0; });
  }
  for (Job* job : active) sha256_blocks(job->sha256->state_, job->sha256_blocks.data, job->sha256_blocks.left);
}

}  // namespace gabion::gateway::s3

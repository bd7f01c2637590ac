// What every ShardStore promises, as tests that run against any of them. A StoreUnderTest drives one store: it runs tasks
// and can close and open the store again, as a restart of the process does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chunkserver/shard_store.h"
#include "common/task.h"

namespace gabion::chunkserver::test {

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual ShardStore& store() = 0;
  virtual void restart() = 0;

  virtual Result<void> run(task<Result<void>> work) = 0;
  virtual Result<Bytes> run(task<Result<Bytes>> work) = 0;
  virtual Result<ShardInfo> run(task<Result<ShardInfo>> work) = 0;
  virtual Result<ShardPage> run(task<Result<ShardPage>> work) = 0;
  virtual Result<DriveStatus> run(task<Result<DriveStatus>> work) = 0;
  virtual std::vector<Result<void>> run(task<std::vector<Result<void>>> work) = 0;
};

using StoreFactory = std::function<std::unique_ptr<StoreUnderTest>()>;

// Registers nothing: call it from a TEST_CASE. Each promise is a SECTION with a fresh store.
void check_shard_store(const StoreFactory& make);

// Bytes that differ by seed and position.
std::string pattern(std::uint64_t seed, std::size_t size);
ShardKey key_of(std::uint64_t number, std::uint8_t index = 0);

}  // namespace gabion::chunkserver::test

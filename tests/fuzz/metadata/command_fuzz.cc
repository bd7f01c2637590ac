// Commands from a log: each is refused as undecodable or applied, and the same ones always give the same state.
#include "common/check.h"
#include "metadata/memory_kv.h"
#include "metadata/reads.h"
#include "metadata/state_machine.h"

using namespace gabion;
using namespace gabion::metadata;

namespace {

// Two bytes of length and the command, repeated.
std::string apply_all(std::string_view bytes) {
  MemoryKv store(std::make_shared<MemoryImage>());
  const auto machine = StateMachine::load(store).value();
  Command create;
  create.mutable_create_bucket()->set_name("b");
  GABION_CHECK(machine->apply(1, create.SerializeAsString()).has_value(), "a bucket can be made");
  std::uint64_t index = 2;
  while (bytes.size() >= 2) {
    const std::size_t length = std::min<std::size_t>(
        static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8, bytes.size() - 2);
    const std::string_view encoded = bytes.substr(2, length);
    bytes.remove_prefix(2 + length);
    Command command;
    if (!command.ParseFromArray(encoded.data(), static_cast<int>(encoded.size())) || !validate(command)) continue;
    const auto result = machine->apply(index, command.SerializeAsString());
    GABION_CHECK(result.has_value(), "a valid command is applied");
    ++index;
  }
  GABION_CHECK(machine->commit().has_value(), "a store in memory takes everything");
  return store.dump();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  ListedObject listed;
  (void)reads::decode_listed(bytes, listed);
  (void)decode_totals(bytes);
  GABION_CHECK(apply_all(bytes) == apply_all(bytes), "applying is deterministic");
  return 0;
}

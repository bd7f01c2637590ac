// Commands from a log: each is refused as undecodable or applied, and the same ones always give the same state.
#include "common/check.h"
#include "metadata/memory_kv.h"
#include "metadata/reads.h"
#include "metadata/state_machine.h"

using namespace gabion;
using namespace gabion::metadata;

namespace {

// The group that the commands are for, over a store in memory.
struct Group {
  explicit Group(std::shared_ptr<MemoryImage> of) : image(std::move(of)) {}
  std::shared_ptr<MemoryImage> image;
  MemoryKv store{image};
  std::unique_ptr<StateMachine> machine = StateMachine::load(store).value();
};

// What the split makes of a copy of the group.
std::unique_ptr<Group> split_off(Group& parent, const SplitRange& split) {
  GABION_CHECK(parent.machine->commit().has_value() && parent.store.flush().has_value(), "a store in memory takes everything");
  auto image = std::make_shared<MemoryImage>();
  image->tables = parent.image->tables;
  MemoryKv store(image);
  GABION_CHECK(become_child(store, split, 1).has_value(), "a split that is due can be carried out");
  GABION_CHECK(store.flush().has_value(), "a store in memory takes everything");
  return std::make_unique<Group>(std::move(image));
}

// Two bytes of length and the command, repeated. Where a group is split they go on in the one or the other.
std::string apply_all(std::string_view bytes) {
  auto group = std::make_unique<Group>(std::make_shared<MemoryImage>());
  Command create;
  create.mutable_create_bucket()->set_name("b");
  GABION_CHECK(group->machine->apply(1, create.SerializeAsString()).has_value(), "a bucket can be made");
  while (bytes.size() >= 2) {
    const std::size_t length = std::min<std::size_t>(
        static_cast<unsigned char>(bytes[0]) | static_cast<unsigned char>(bytes[1]) << 8, bytes.size() - 2);
    const std::string_view encoded = bytes.substr(2, length);
    bytes.remove_prefix(2 + length);
    Command command;
    if (!command.ParseFromArray(encoded.data(), static_cast<int>(encoded.size())) || !validate(command)) continue;
    const std::string normal = command.SerializeAsString();
    const auto split = group->machine->split_due(normal);
    GABION_CHECK(split.has_value(), "whether a valid command splits the group can be told");
    if (*split && (*split)->child() % 2 == 1) {
      group = split_off(*group, **split);
      continue;
    }
    GABION_CHECK(group->machine->apply(group->machine->applied() + 1, normal).has_value(), "a valid command is applied");
  }
  GABION_CHECK(group->machine->commit().has_value(), "a store in memory takes everything");
  return group->store.dump();
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

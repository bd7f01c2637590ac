// Feeds bytes to the scanner of segments and to the parser of identity files. As random bytes hardly ever carry a valid
// checksum, the first byte says how often a record of a valid shape is laid over them, so that what lies behind the
// checksums is reached as well. Demands: no crash, an end, and only records that stand where they say and fit the file.

#include <algorithm>
#include <cstdint>
#include <string>

#include "chunkserver/identity.h"
#include "chunkserver/segment_scanner.h"
#include "common/check.h"

namespace {

using namespace gabion;
using namespace gabion::chunkserver;

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::string content) : content_(std::move(content)) {}
  Result<std::size_t> read(std::uint64_t offset, MutableBytes into, ReadMode) override {
    if (offset >= content_.size()) return std::size_t{0};
    const std::size_t n = std::min<std::size_t>(into.size(), content_.size() - offset);
    std::copy_n(as_bytes(content_).data() + offset, n, into.data());
    return n;
  }
  Result<void> write(std::uint64_t, std::span<const ByteView>) override { return Error(Errc::invalid, "read-only"); }
  Result<void> sync() override { return {}; }
  Result<std::uint64_t> size() override { return content_.size(); }
  Result<void> truncate(std::uint64_t) override { return Error(Errc::invalid, "read-only"); }

 private:
  const std::string content_;
};

// Lays a head with a right checksum and values taken from the bytes there over some places.
void plant_records(std::string& content, const SegmentName& name, unsigned count) {
  for (unsigned i = 0; i < count && content.size() > kSegmentHeaderBytes + 400; ++i) {
    const std::size_t places = (content.size() - kSegmentHeaderBytes - 400) / kRecordAlignment;
    const std::size_t place = static_cast<unsigned char>(content[i + 1]) * 37u % (places + 1);
    const std::size_t offset = kSegmentHeaderBytes + kRecordAlignment * place;
    RecordHead head;
    head.kind = static_cast<RecordKind>(1 + static_cast<unsigned char>(content[offset]) % 3);
    if (head.kind == RecordKind::put) head.length = load_le<std::uint32_t>(content.data() + offset + 8) % (kCellBytes * 4);
    head.sequence = load_le<std::uint64_t>(content.data() + offset + 16);
    std::string cells = content.substr(offset + kRecordHeadBytes, 4 * cells_of(head.length));
    cells.resize(4 * cells_of(head.length));
    std::string bytes(head_bytes(head.length), '\0');
    encode_head(name, offset, head, as_bytes(cells), reinterpret_cast<std::byte*>(bytes.data()));
    content.replace(offset, std::min(bytes.size(), content.size() - offset), bytes.substr(0, content.size() - offset));
  }
}

void scan(File& file, const SegmentName& name, std::uint64_t size, std::uint64_t from, Payloads payloads) {
  SegmentScanner scanner(file, name, size, from, payloads);
  std::uint64_t end = from;
  while (true) {
    const auto record = scanner.next();
    GABION_CHECK(record.has_value(), "a scan of readable bytes has no errors");
    if (!*record) break;
    GABION_CHECK((*record)->offset >= end, "records of a scan do not overlap");
    end = (*record)->offset + head_bytes((*record)->head.length) + (*record)->head.length;
    GABION_CHECK(end <= size, "a record of a scan fits the file");
  }
  GABION_CHECK(scanner.damaged_bytes() <= size, "no more is damaged than there is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string content(reinterpret_cast<const char*>(data), size);
  (void)parse_identity(content);
  if (content.empty()) return 0;
  const SegmentName name{DriveId{{7}}, 3};
  (void)check_segment_header(name, as_bytes(content));
  plant_records(content, name, static_cast<unsigned char>(content[0]) % 8);
  MemoryFile file(content);
  const std::uint64_t from = static_cast<unsigned char>(content[0]) / 8 * 16u;
  scan(file, name, content.size(), from, Payloads::skip);
  scan(file, name, content.size(), from, Payloads::verify);
  (void)is_sealed(file, name, content.size());
  return 0;
}

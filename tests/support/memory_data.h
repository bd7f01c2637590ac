// A data store in memory, for tests of what stands above it: the bytes are in the manifest itself, as an inline object's,
// and it counts what writers did with theirs. One thread.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "gateway/data/data_store.h"

namespace gabion::test {

class MemoryData final : public gateway::data::DataStore {
 public:
  explicit MemoryData(metadata::Metadata& metadata) : metadata_(metadata) {}

  // --- For tests ---
  struct Counts {
    int opened = 0;
    int finished = 0;
    int released = 0;
    int dropped = 0;  // destroyed without release: their blocks are removed
    int reads = 0;
  };
  const Counts& counts() const { return counts_; }
  void fail_writes(std::optional<Error> error) { write_error_ = std::move(error); }
  void fail_appends(std::optional<Error> error) { append_error_ = std::move(error); }
  // Reads fail with this after so many pieces.
  void fail_reads(std::optional<Error> error, int after_pieces = 0) {
    read_error_ = std::move(error);
    pieces_before_error_ = after_pieces;
  }
  // A repair intent that the next write brings along.
  void report_missing_shard(metadata::RepairIntent intent) { intent_ = std::move(intent); }

  task<Result<std::unique_ptr<gateway::data::Writer>>> write(Context, std::optional<std::uint64_t>) override {
    if (write_error_) co_return *write_error_;
    ++counts_.opened;
    co_return std::unique_ptr<gateway::data::Writer>(std::make_unique<MemoryWriter>(*this));
  }

  task<Result<std::unique_ptr<gateway::data::Reader>>> read(Context ctx, metadata::GroupId group, metadata::ManifestId,
                                                            metadata::Manifest manifest, std::uint64_t offset,
                                                            std::uint64_t length) override {
    ++counts_.reads;
    CO_TRY(auto bytes, co_await bytes_of(ctx, group, std::move(manifest)));
    GABION_CHECK(offset <= bytes.size() && length <= bytes.size() - offset, "a read lies inside the object");
    co_return std::unique_ptr<gateway::data::Reader>(
        std::make_unique<MemoryReader>(*this, bytes.substr(offset, length)));
  }

 private:
  class MemoryWriter final : public gateway::data::Writer {
   public:
    explicit MemoryWriter(MemoryData& store) : store_(store) {}
    ~MemoryWriter() override { ++(released_ ? store_.counts_.released : store_.counts_.dropped); }
    task<Result<void>> append(ByteView plaintext) override {
      if (store_.append_error_) co_return *store_.append_error_;
      bytes_.append(as_text(plaintext));
      co_return Result<void>();
    }
    task<Result<gateway::data::Written>> finish() override {
      ++store_.counts_.finished;
      gateway::data::Written out;
      out.manifest.set_size(bytes_.size());
      out.manifest.set_inline_data(bytes_);
      if (store_.intent_) out.intents.push_back(*std::exchange(store_.intent_, std::nullopt));
      co_return out;
    }
    void release() override { released_ = true; }

   private:
    MemoryData& store_;
    std::string bytes_;
    bool released_ = false;
  };

  class MemoryReader final : public gateway::data::Reader {
   public:
    static constexpr std::size_t kPiece = 100 * KiB;
    MemoryReader(MemoryData& store, std::string bytes) : store_(store), bytes_(std::move(bytes)) {}
    task<Result<Bytes>> next() override {
      if (store_.read_error_ && pieces_++ >= store_.pieces_before_error_) co_return *store_.read_error_;
      const std::string_view piece = std::string_view(bytes_).substr(at_, kPiece);
      at_ += piece.size();
      co_return Bytes::copy_of(piece);
    }

   private:
    MemoryData& store_;
    std::string bytes_;
    std::size_t at_ = 0;
    int pieces_ = 0;
  };

  task<Result<std::string>> bytes_of(Context ctx, metadata::GroupId group, metadata::Manifest manifest) {
    if (manifest.slices().empty()) co_return manifest.inline_data();
    std::string out;
    for (const metadata::Slice& slice : manifest.slices()) {
      CO_TRY(const auto leaf, co_await metadata_.manifest(ctx, group, slice.manifest()));
      out.append(leaf.inline_data().substr(slice.offset(), slice.length()));
    }
    co_return out;
  }

  metadata::Metadata& metadata_;
  Counts counts_;
  std::optional<Error> write_error_;
  std::optional<Error> append_error_;
  std::optional<Error> read_error_;
  int pieces_before_error_ = 0;
  std::optional<metadata::RepairIntent> intent_;
};

}  // namespace gabion::test

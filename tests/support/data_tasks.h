// Whole writes and reads of a DataStore as one task, for tests.
#pragma once

#include <string>

#include "gateway/data/data_store.h"

namespace gabion::test {

inline std::string random_text(Rng& rng, std::size_t size) {
  std::string text(size, '\0');
  rng.fill(std::as_writable_bytes(std::span(text)));
  return text;
}

inline task<Result<gateway::data::Written>> write_all(gateway::data::DataStore& store, std::string content,
                                                      std::optional<std::uint64_t> hint, std::size_t step) {
  CO_TRY(auto writer, co_await store.write(Context(), hint));
  for (std::size_t i = 0; i < content.size(); i += step) {
    CO_CHECK(co_await writer->append(as_bytes(std::string_view(content).substr(i, step))));
  }
  auto written = co_await writer->finish();
  if (written) writer->release();
  co_return written;
}

inline task<Result<std::string>> read_all(gateway::data::DataStore& store, metadata::ManifestId id,
                                          metadata::Manifest manifest, std::uint64_t offset, std::uint64_t length,
                                          metadata::GroupId group = metadata::kRootGroup) {
  CO_TRY(auto reader, co_await store.read(Context(), group, id, std::move(manifest), offset, length));
  std::string out;
  for (;;) {
    CO_TRY(const Bytes piece, co_await reader->next());
    if (piece.empty()) co_return out;
    out += piece.text();
  }
}

}  // namespace gabion::test

#include "metadata/apply.h"
#include "metadata/reads.h"
#include "metadata/wire.h"

namespace gabion::metadata::reads {
namespace {

Error damaged() { return {Errc::corrupt, "a record of the metadata state is damaged"}; }

// Rows of one common prefix that are stepped over before a seek is cheaper.
constexpr int kStepsBeforeSeek = 8;

bool decode_checksum(std::string_view bytes, ListedObject& out) {
  WireReader reader(bytes);
  for (Field field; reader.next(field);) {
    if (field.number == Checksum::kAlgorithmFieldNumber) out.checksum_algorithm = static_cast<ChecksumAlgorithm>(field.value);
    if (field.number == Checksum::kCompositeFieldNumber) out.checksum_composite = field.value != 0;
  }
  return reader.ok();
}

// The rows of a bucket that a listing is asked for; an empty `to` is the end of all. moved when the group does not have them all.
struct Asked {
  std::string from, to;
  bool has(std::string_view row) const { return row >= from && (to.empty() || row < to); }
};

template <class Request>
Result<Asked> asked_rows(const GroupRange& range, const Request& request) {
  Asked asked{keys::rows_from(request.bucket, {}), {}};
  asked.to = keys::successor(asked.from);
  asked.from = std::max(asked.from, request.range_from);
  if (!request.range_to.empty() && (asked.to.empty() || request.range_to < asked.to)) asked.to = request.range_to;
  if (!range.covers(asked.from, asked.to)) {
    return Error(Errc::moved, fmt::format("group {} does not have all of this range", range.group));
  }
  return asked;
}

// Where rows that begin with `prefix` end, or those that are asked for.
std::string end_of(std::string_view prefix, std::string_view asked) {
  std::string end = keys::successor(prefix);
  return !asked.empty() && (end.empty() || asked < end) ? std::string(asked) : end;
}

// Where a page begins, given the marker of the one before. Markers within a common prefix skip all of it.
std::string first_row(const ListRequest& request) {
  const auto& [bucket, prefix, delimiter, after, limit, range_from, range_to] = request;
  if (after.empty() || after < prefix) return keys::rows_from(bucket, prefix);
  if (!delimiter.empty() && after.starts_with(prefix)) {
    const auto at = after.find(delimiter, prefix.size());
    if (at != std::string::npos) {
      return keys::successor(keys::rows_from(bucket, std::string_view(after).substr(0, at + delimiter.size())));
    }
  }
  return keys::row_after_object(bucket, after);
}

// Moves past all keys that begin with `prefix`.
void skip_prefix(KvIterator& rows, std::string_view row_prefix) {
  for (int i = 0; i < kStepsBeforeSeek; ++i) {
    if (!rows.valid() || !rows.key().starts_with(row_prefix)) return;
    rows.next();
  }
  const std::string after = keys::successor(row_prefix);
  // The bounds of the bucket are never the last of all rows, so there always is a successor.
  rows.seek(after);
}

}  // namespace

// False for a delete marker.
Result<bool> decode_listed(std::string_view row, ListedObject& out) {
  WireReader reader(row);
  bool present = true;
  for (Field field; reader.next(field);) {
    switch (field.number) {
      case Version::kSizeFieldNumber: out.size = field.value; break;
      case Version::kModifiedUsFieldNumber: out.modified = field.value; break;
      case Version::kEtagFieldNumber: out.etag = field.bytes; break;
      case Version::kEtagPartsFieldNumber: out.etag_parts = static_cast<std::uint32_t>(field.value); break;
      case Version::kStorageClassFieldNumber: out.storage_class = field.bytes; break;
      case Version::kDeleteMarkerFieldNumber: present = field.value == 0; break;
      case Version::kOwnerFieldNumber: out.owner = field.bytes; break;
      case Version::kChecksumFieldNumber:
        if (!decode_checksum(field.bytes, out)) return damaged();
        break;
      default: break;
    }
  }
  if (!reader.ok()) return damaged();
  return present;
}

Result<ObjectPage> list_objects(const State& state, const ListRequest& request) {
  ObjectPage page;
  TRY(const Asked asked, asked_rows(state.range, request));
  if (request.limit == 0) return page;
  page.objects.reserve(std::min<std::size_t>(request.limit, 1000));
  const std::string row_prefix = keys::rows_from(request.bucket, request.prefix);
  const auto rows = state.store.iterate(Table::objects, end_of(row_prefix, asked.to));
  const std::string from = first_row(request);
  if (from.empty()) return page;
  for (rows->seek(std::max(from, asked.from)); rows->valid();) {
    const auto [key, current] = keys::key_of_row(rows->key());
    // A row of a shorter key, of which the prefix is one with its end: not a match.
    if (!current || key.size() < request.prefix.size()) {
      rows->next();
      continue;
    }
    const auto delimiter = request.delimiter.empty() ? std::string_view::npos
                                                     : key.find(request.delimiter, request.prefix.size());
    if (page.objects.size() + page.common_prefixes.size() == request.limit) {
      page.truncated = true;
      break;
    }
    if (delimiter != std::string_view::npos) {
      const std::size_t length = delimiter + request.delimiter.size();
      page.last = page.common_prefixes.emplace_back(key.substr(0, length));
      skip_prefix(*rows, keys::rows_from(request.bucket, page.last));
      continue;
    }
    ListedObject& object = page.objects.emplace_back();
    TRY(const bool present, decode_listed(rows->value(), object));
    if (present) object.key = key;
    else page.objects.pop_back();
    rows->next();
  }
  TRY_OK(rows->status());
  if (!page.objects.empty() && page.objects.back().key > page.last) page.last = page.objects.back().key;
  return page;
}

namespace {

// Where the page begins, or invalid when the upload of the marker does not exist. Another group knows it when its key is not
// asked for here.
Result<std::string> first_upload(const KvStore& store, const Asked& asked, const ListUploadsRequest& request) {
  const std::string& marker = request.key_marker;
  if (marker.empty() || marker < request.prefix) return keys::uploads_in_order(request.bucket, request.prefix);
  if (!request.upload_id_marker.empty() && asked.has(keys::rows_from(request.bucket, marker))) {
    std::string row;
    TRY(const bool found,
        store.get(Table::other, keys::upload(request.bucket, marker, request.upload_id_marker), row,
                  ReadMode::wait));
    if (!found) return Error(Errc::invalid, "Invalid uploadId marker");
    TRY(const auto stored, apply::decode_upload(row));
    return keys::upload_order(request.bucket, marker, stored.upload.initiated_us(), request.upload_id_marker).append(1, '\0');
  }
  if (!request.delimiter.empty() && marker.starts_with(request.prefix)) {
    const auto at = marker.find(request.delimiter, request.prefix.size());
    if (at != std::string::npos) {
      const auto group = std::string_view(marker).substr(0, at + request.delimiter.size());
      return keys::successor(keys::uploads_in_order(request.bucket, group));
    }
  }
  return keys::uploads_after_key(request.bucket, marker);
}

}  // namespace

Result<UploadPage> list_uploads(const State& state, const ListUploadsRequest& request) {
  UploadPage page;
  TRY(const Asked asked, asked_rows(state.range, request));
  if (request.limit == 0) return page;
  const std::string kind = keys::all_uploads_in_order();
  TRY(const std::string from, first_upload(state.store, asked, request));
  const std::string end = end_of(keys::rows_from(request.bucket, request.prefix), asked.to);
  const auto rows = state.store.iterate(Table::other, end.empty() ? keys::successor(kind) : kind + end);
  for (rows->seek(std::max(from, kind + asked.from)); rows->valid();) {
    const auto order = keys::parse_upload_order(rows->key());
    if (!order) return damaged();
    if (order->key.size() < request.prefix.size()) {
      rows->next();
      continue;
    }
    if (page.uploads.size() + page.common_prefixes.size() == request.limit) {
      page.truncated = true;
      break;
    }
    const auto delimiter = request.delimiter.empty()
                               ? std::string_view::npos
                               : order->key.find(request.delimiter, request.prefix.size());
    if (delimiter != std::string_view::npos) {
      page.next_key_marker = page.common_prefixes.emplace_back(order->key.substr(0, delimiter + request.delimiter.size()));
      page.next_upload_id_marker.clear();
      skip_prefix(*rows, keys::uploads_in_order(request.bucket, page.next_key_marker));
      continue;
    }
    std::string row;
    const std::string upload = keys::upload(request.bucket, order->key, order->id);
    TRY(const bool found, state.store.get(Table::other, upload, row, ReadMode::wait));
    if (found) {  // it may have ended since the scan began
      TRY(auto stored, apply::decode_upload(row));
      page.next_key_marker = order->key;
      page.next_upload_id_marker = order->id;
      page.uploads.push_back(std::move(stored.upload));
    }
    rows->next();
  }
  TRY_OK(rows->status());
  return page;
}

}  // namespace gabion::metadata::reads

// GroupRange is what a group knows of itself: its number and the keys that it has. Row keys are as in RangeInfo: a bucket's id,
// big-endian, and an object key, which contains no 0x00. A group's range never grows. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/bytes.h"
#include "metadata/metadata.h"

namespace gabion::metadata {

struct GroupRange {
  GroupId group = kRootGroup;
  std::string from;  // empty: from the first key on
  std::string to;    // empty: up to the last

  bool owns(std::string_view row) const { return row >= from && (to.empty() || row < to); }
  bool owns(BucketId bucket, std::string_view key) const;
  // All of another range; an empty `end` is the end of all.
  bool covers(std::string_view begin, std::string_view end) const {
    return begin >= from && (to.empty() || (!end.empty() && end <= to));
  }
  // Any key of the bucket.
  bool touches(BucketId bucket) const;
  friend bool operator==(const GroupRange&, const GroupRange&) = default;
};

// Whether a row key that is not empty lies behind `boundary`, or at it. Without making it.
inline bool not_before(BucketId bucket, std::string_view key, std::string_view boundary) {
  const BucketId first = load_be64(boundary.data());
  return bucket != first ? bucket > first : key >= boundary.substr(sizeof(BucketId));
}

inline bool GroupRange::owns(BucketId bucket, std::string_view key) const {
  return (from.empty() || not_before(bucket, key, from)) && (to.empty() || !not_before(bucket, key, to));
}

inline bool GroupRange::touches(BucketId bucket) const {
  const bool ends_before = !to.empty() && not_before(bucket, {}, to);
  const bool begins_behind = !from.empty() && load_be64(from.data()) > bucket;
  return !ends_before && !begins_behind;
}

}  // namespace gabion::metadata

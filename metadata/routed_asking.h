// Asking by key: the part of RoutedMetadata that every question about one key goes through. For its files alone.
#pragma once

#include "metadata/routed_metadata.h"

namespace gabion::metadata {

template <class Value>
bool has_moved(const Result<Value>& answer) {
  return !answer && answer.error().code == Errc::moved;
}

template <class Value, class Ask>
task<Result<Value>> RoutedMetadata::ask_by_key(Context ctx, BucketId bucket, std::string key, Ask ask) {
  Attempts attempts;
  for (;;) {
    const Table& known = table();
    for (const GroupId owner : known.find(bucket, key).owners) {
      Result<Value> answer = co_await ask(group(owner), ctx, key);
      if (!has_moved(answer)) co_return answer;
    }
    CO_CHECK(co_await look_again(ctx, known, attempts));
  }
}

}  // namespace gabion::metadata

// Pages that go over several ranges: asked for range by range, until they are full or there is nothing more.
#include "metadata/cluster/splits.h"
#include "metadata/routed_asking.h"

namespace gabion::metadata {
namespace {

template <class T>
void append(std::vector<T>& to, std::vector<T> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::size_t entries(const ObjectPage& page) { return page.objects.size() + page.common_prefixes.size(); }
std::size_t entries(const UploadPage& page) { return page.uploads.size() + page.common_prefixes.size(); }

void add(ObjectPage& page, ObjectPage next) {
  if (entries(next) != 0) page.last = std::move(next.last);
  append(page.objects, std::move(next.objects));
  append(page.common_prefixes, std::move(next.common_prefixes));
  page.truncated = next.truncated;
}

void add(UploadPage& page, UploadPage next) {
  if (entries(next) != 0) {
    page.next_key_marker = std::move(next.next_key_marker);
    page.next_upload_id_marker = std::move(next.next_upload_id_marker);
  }
  append(page.uploads, std::move(next.uploads));
  append(page.common_prefixes, std::move(next.common_prefixes));
  page.truncated = next.truncated;
}

// From here on; a common prefix that goes over the boundary of a range is skipped in the next one.
void go_on(ListRequest& request, const ObjectPage& page) {
  if (!page.last.empty()) request.after = page.last;
}
void go_on(ListUploadsRequest& request, const UploadPage& page) {
  if (!page.next_key_marker.empty()) request.key_marker = page.next_key_marker;
  request.upload_id_marker.clear();  // it is of a key in the range before
}

}  // namespace

template <class Page, class Request, class Ask>
task<Result<Page>> RoutedMetadata::list(Context ctx, Request request, std::string marker, Ask ask) {
  Page page;
  if (request.limit == 0) co_return page;
  const std::size_t limit = request.limit;
  const std::string end = cluster::end_of_rows(request.bucket, request.prefix);
  std::string at = cluster::boundary_at(request.bucket, std::max(request.prefix, marker));
  Attempts attempts;
  while (at < end) {
    const Table& known = table();
    const cluster::OwnedRange& range = known.find(at);
    request.range_from = at;
    request.range_to = range.end.empty() ? end : std::min(range.end, end);
    // When the page is full, whether there is more.
    request.limit = std::max<std::size_t>(limit - entries(page), 1);
    Result<Page> next = Error(Errc::moved, "");
    for (std::size_t i = 0; i < range.owners.size() && has_moved(next); ++i) {
      next = co_await ask(group(range.owners[i]), ctx, request);
    }
    if (has_moved(next)) {
      CO_CHECK(co_await look_again(ctx, known, attempts));
      continue;
    }
    if (!next) co_return next;
    if (entries(page) == limit) page.truncated = entries(*next) != 0;
    else add(page, *std::move(next));
    if (page.truncated) co_return page;
    go_on(request, page);
    at = request.range_to;
  }
  co_return page;
}

task<Result<ObjectPage>> RoutedMetadata::list_objects(Context ctx, ListRequest request) {
  if (table().single()) {
    auto page = co_await group(kRootGroup).list_objects(ctx, request);
    if (!has_moved(page)) co_return page;
  }
  const std::string marker = request.after;
  const auto ask = [](ClusterMetadata& to, Context c, const ListRequest& r) { return to.list_objects(c, r); };
  co_return co_await list<ObjectPage>(ctx, std::move(request), marker, ask);
}

task<Result<UploadPage>> RoutedMetadata::list_uploads(Context ctx, ListUploadsRequest request) {
  if (table().single()) {
    auto page = co_await group(kRootGroup).list_uploads(ctx, request);
    if (!has_moved(page)) co_return page;
  }
  const std::string marker = request.key_marker;
  const auto ask = [](ClusterMetadata& to, Context c, const ListUploadsRequest& r) { return to.list_uploads(c, r); };
  co_return co_await list<UploadPage>(ctx, std::move(request), marker, ask);
}

}  // namespace gabion::metadata

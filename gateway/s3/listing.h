// What the listings of objects and of uploads have in common: their parameters, and the XML of their entries, written
// straight into the document because a page has a thousand. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "gateway/s3/request.h"
#include "gateway/s3/service.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {

enum class KeyEncoding { xml, url };

struct ListingQuery {
  ListingQuery() = default;
  std::string prefix;
  std::string delimiter;
  KeyEncoding encoding = KeyEncoding::xml;
  std::size_t limit = 1000;
};

// `limit_name`: max-keys or max-uploads. InvalidArgument for a limit or encoding that is not one.
S3Result<ListingQuery> read_listing_query(const Request& request, std::string_view limit_name);
// A key to start after. InvalidArgument for text that no key could be.
S3Result<std::string> read_position(const Request& request, std::string_view name);

void append_name(std::string& out, std::string_view name, KeyEncoding encoding);
void write_name(XmlWriter& xml, std::string_view tag, std::string_view name, KeyEncoding encoding);
// With an <Owner> each when `owner` is given.
void write_objects(XmlWriter& xml, const std::vector<metadata::ListedObject>& objects, KeyEncoding encoding,
                   const Options* owner);
void write_common_prefixes(XmlWriter& xml, const std::vector<std::string>& prefixes, KeyEncoding encoding);

}  // namespace gabion::gateway::s3

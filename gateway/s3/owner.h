// The owner of things as listings and ACLs show it. Pure functions.
#pragma once

#include <string>

#include "gateway/s3/service.h"
#include "gateway/s3/xml.h"

namespace gabion::gateway::s3 {

// The <ID> and <DisplayName> that are inside <Owner>, <Initiator> and <Grantee>.
inline std::string identity_markup(const Options& options) {
  std::string out = "<ID>";
  append_xml_text(out, options.owner_id);
  out.append("</ID><DisplayName>");
  append_xml_text(out, options.owner_display_name);
  return out.append("</DisplayName>");
}

inline std::string owner_markup(const Options& options) {
  return "<Owner>" + identity_markup(options) + "</Owner>";
}

inline void write_owner(XmlWriter& xml, const Options& options) { xml.raw(owner_markup(options)); }

}  // namespace gabion::gateway::s3

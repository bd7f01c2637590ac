// The one compilation of Boost.Beast's sources.
#include <boost/beast/src.hpp>

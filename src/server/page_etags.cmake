# cmake -DFOLDER=… -DOUTPUT=page_etags.hpp -P page_etags.cmake: a header with one entity tag for each part of the page.
# Being included, it also makes every change of a part one that compilers and their caches notice.
set(text "/// Made by src/server/page_etags.cmake.\n#pragma once\n\n#include <string_view>\n\nnamespace hotmic::server::page_etags {\n")
foreach(part html=index.html js=page.js worklet=page-worklet.js css=page.css icon=page.svg)
  string(REPLACE "=" ";" part ${part})
  list(GET part 0 name)
  list(GET part 1 file)
  file(SHA256 ${FOLDER}/${file} digest)
  string(SUBSTRING ${digest} 0 32 digest)
  string(APPEND text "inline constexpr std::string_view ${name} = \"\\\"${digest}\\\"\";\n")
endforeach()
file(WRITE ${OUTPUT} "${text}}  // namespace hotmic::server::page_etags\n")

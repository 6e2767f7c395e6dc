package simulator

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// refuse writes an error answer. Gateways in front of real vendors answer 502, 504 and 52x with a page of HTML.
func refuse(w http.ResponseWriter, f failure, body []byte) {
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(f.retryAfter.Seconds())))
	}
	h.Set("Content-Type", "application/json")
	if f.code == "" && (f.status == http.StatusBadGateway || f.status == http.StatusGatewayTimeout || f.status >= 520 && f.status != 529) {
		title := strconv.Itoa(f.status) + " " + http.StatusText(f.status)
		body = []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
			"</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n")
		h.Set("Content-Type", "text/html")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(f.status)
	_, _ = w.Write(body) // the client is free not to read it
}

// splitCall parts the end of a Google path, MODEL:METHOD. A model's name may have knobs with a colon.
func splitCall(call string) (model, method string) {
	i := strings.LastIndexByte(call, ':')
	if i < 0 {
		return call, ""
	}
	return call[:i], call[i+1:]
}

func itoa(n int) string { return strconv.Itoa(n) }

func validJSON(s string) bool { return gjson.Valid(s) }

func sortedNames(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

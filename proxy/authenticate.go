package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/dialect"
	"aihigress/internal/fault"
	"aihigress/internal/llm"
	"aihigress/internal/snapshot"
	"aihigress/internal/web"
)

// errKey is the one answer to every bad key: which of its rules it broke is nobody's business who may not have it.
var errKey = fault.New(fault.Unauthenticated, "Incorrect API key provided. Keys are made in the gateway's console.").WithCode(codeInvalidKey)

// authenticate finds the gateway key of a call in one of the places where clients of a dialect put it, or fails with
// errKey.
func (p *Proxy) authenticate(r *http.Request, d dialect.Dialect) (*snapshot.Snapshot, *snapshot.Key, error) {
	s := p.o.Config.Current()
	for _, text := range credentials(r, d.Name()) {
		if key, ok := findKey(s, r, text); ok {
			return s, key, nil
		}
	}
	p.unauthenticated.Add(1)
	return nil, nil, errKey
}

// credentials are what a request has in the places where a key may stand: the bearer token in every dialect, and those of
// the vendor's own SDKs. Clients may fill several, and not all with a key of ours.
func credentials(r *http.Request, name string) (found [3]string) {
	if scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		found[0] = text
	}
	switch name {
	case llm.Anthropic:
		found[1] = r.Header.Get("X-Api-Key")
	case llm.Gemini:
		found[1] = r.Header.Get("X-Goog-Api-Key")
		if r.URL.RawQuery != "" {
			found[2] = r.URL.Query().Get("key")
		}
	}
	return found
}

func findKey(s *snapshot.Snapshot, r *http.Request, text string) (*snapshot.Key, bool) {
	hash, err := apikey.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, false
	}
	key, ok := s.KeyByHash(hash)
	if !ok || !key.Admits(string(apikey.Inference), callerIP(r), time.Now()) {
		return nil, false
	}
	return key, true
}

// callerIP is the caller's address as far as trusted proxies tell it, else that of the connection.
func callerIP(r *http.Request) netip.Addr {
	if addr := web.ClientIP(r.Context()); addr.IsValid() {
		return addr
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr()
}

package proxy

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"aihigress/internal/apikey"
	"aihigress/internal/fault"
	"aihigress/internal/snapshot"
	"aihigress/internal/web"
)

// errKey is the one answer to every bad key: which of its rules it broke is nobody's business who may not have it.
var errKey = fault.New(fault.Unauthenticated, "Incorrect API key provided. Keys are made in the gateway's console.").WithCode(codeInvalidKey)

// authenticate finds the gateway key of a call, or fails with errKey.
func (p *Proxy) authenticate(r *http.Request) (*snapshot.Snapshot, *snapshot.Key, error) {
	s := p.o.Config.Current()
	key, ok := findKey(s, r)
	if !ok {
		p.unauthenticated.Add(1)
		return nil, nil, errKey
	}
	return s, key, nil
}

func findKey(s *snapshot.Snapshot, r *http.Request) (*snapshot.Key, bool) {
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, false
	}
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

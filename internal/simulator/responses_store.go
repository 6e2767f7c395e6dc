package simulator

import (
	"encoding/json"
	"sync"
)

// Bounds of what is kept of responses; the oldest go first.
const (
	maxStored      = 1000
	maxStoredBytes = 64 << 20
)

// responseStore keeps responses for those who go on with previous_response_id, each for the key that made it.
type responseStore struct {
	mu    sync.Mutex
	byID  map[string]storedResponse
	order []string // ids, oldest first
	bytes int
}

type storedResponse struct {
	key   string
	body  []byte
	items []json.RawMessage // the whole conversation, the answer included
	size  int
}

// put keeps a rendered response and the conversation that led to it.
func (st *responseStore) put(key, id string, body []byte, items []json.RawMessage) {
	kept := storedResponse{key: key, body: append([]byte(nil), body...)}
	for _, item := range items {
		kept.items = append(kept.items, append(json.RawMessage(nil), item...))
	}
	kept.items = append(kept.items, outputItems(kept.body)...)
	kept.size = len(kept.body)
	for _, item := range kept.items {
		kept.size += len(item)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.byID == nil {
		st.byID = map[string]storedResponse{}
	}
	st.byID[id] = kept
	st.order = append(st.order, id)
	st.bytes += kept.size
	for len(st.order) > maxStored || st.bytes > maxStoredBytes {
		st.bytes -= st.byID[st.order[0]].size // nothing where it was deleted
		delete(st.byID, st.order[0])
		st.order = st.order[1:]
	}
}

// get returns a response of the key's.
func (st *responseStore) get(key, id string) (storedResponse, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	kept, ok := st.byID[id]
	return kept, ok && kept.key == key
}

// remove forgets a response of the key's.
func (st *responseStore) remove(key, id string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	kept, ok := st.byID[id]
	if !ok || kept.key != key {
		return false
	}
	st.bytes -= kept.size
	delete(st.byID, id)
	return true
}

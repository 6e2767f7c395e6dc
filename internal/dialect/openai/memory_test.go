package openai

import (
	"bytes"
	"sync"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread/readtest"
	"aihigress/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// What was read and written stays as it is while the memory that it took is used again.
func TestUsedMemory(t *testing.T) {
	t.Parallel()
	requests := readtest.Seeds(t, true, chatAPIs, plainRequests...).All
	answers := readtest.Seeds(t, false, chatAPIs, plainAnswers...).All
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 2 {
				checkMemory(t, requests, func(body []byte) (*llm.Request, []byte) {
					r, err := Dialect{}.DecodeRequest(body, dialect.At{})
					if err != nil {
						return nil, nil
					}
					written, _, err := Dialect{}.EncodeRequest(r, dialect.Target{Model: "m"})
					if err != nil {
						t.Errorf("%s: %v", body, err)
					}
					return r, written
				})
				checkMemory(t, answers, func(body []byte) (*llm.Response, []byte) {
					r, err := Dialect{}.DecodeResponse(body)
					if err != nil || r.ID == "" || r.Created == 0 { // the time of writing takes its place
						return nil, nil
					}
					return r, Dialect{}.EncodeResponse(r, &llm.Request{Model: "m"})
				})
			}
		})
	}
	all.Wait()
}

// checkMemory reads and writes documents one behind the other, and then each again.
func checkMemory[T any](t *testing.T, documents [][]byte, both func([]byte) (*T, []byte)) {
	read, written := make([]*T, len(documents)), make([][]byte, len(documents))
	for i, document := range documents {
		mine := bytes.Clone(document)
		read[i], written[i] = both(mine)
		clear(mine)
	}
	for i, document := range documents {
		again, out := both(document)
		if diff := cmp.Diff(again, read[i]); diff != "" || !bytes.Equal(out, written[i]) {
			t.Errorf("%s has changed (-now +then):\n%s\n%s\n%s", document, diff, out, written[i])
		}
	}
}

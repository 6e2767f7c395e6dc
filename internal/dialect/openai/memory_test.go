package openai

import (
	"bytes"
	"reflect"
	"strings"
	"sync"
	"testing"

	"aihigress/internal/dialect"
	"aihigress/internal/dialect/jsonread"
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

// Memory that is kept has nothing of a request in it, and not much is kept.
func TestForget(t *testing.T) {
	t.Parallel()
	var w request
	many := []byte(`{"model":"m","messages":[{"role":"user","content":[` + strings.Repeat(`{"type":"text","text":"a"},`, keepCalls) + `{"type":"text","text":"b"}]}]}`)
	for _, document := range append(readtest.Seeds(t, true, chatAPIs, plainRequests...).All, many) {
		if !jsonread.Plain(document, &w, 0, (*request).readPlain) {
			w = request{}
			continue
		}
		w.forget()
		if len(w.Messages.all)+len(w.Tools) > 0 {
			t.Fatalf("%s is not forgotten", document)
		}
		for _, one := range w.Tools[:cap(w.Tools)] {
			if !reflect.ValueOf(one).IsZero() {
				t.Errorf("%s leaves a tool: %+v", document, one)
			}
		}
		for _, m := range w.Messages.all[:cap(w.Messages.all)] {
			calls, parts := m.ToolCalls, m.Content.parts
			if m.ToolCalls, m.Content.parts = nil, nil; !reflect.ValueOf(m).IsZero() || cap(calls) > keepCalls || cap(parts) > keepCalls {
				t.Errorf("%s leaves a message: %+v", document, m)
			}
			for _, one := range calls[:cap(calls)] {
				if !reflect.ValueOf(one).IsZero() {
					t.Errorf("%s leaves a call: %+v", document, one)
				}
			}
			for _, one := range parts[:cap(parts)] {
				if !reflect.ValueOf(one).IsZero() {
					t.Errorf("%s leaves a part: %+v", document, one)
				}
			}
		}
		rest := w
		if rest.Messages.all, rest.Tools = nil, nil; !reflect.ValueOf(rest).IsZero() {
			t.Errorf("%s leaves %+v", document, rest)
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A load is one kind of traffic.
type load struct {
	name        string
	model       string
	concurrency int
	streamed    bool
	padding     int // bytes of the request's message

	// Of a pair of dialects:
	pair    *pair
	path    string
	request []byte
	ending  string // only a whole answer has it
}

// A sample is what one turn of a load against one target saw.
type sample struct {
	took      []time.Duration // of each call
	first     []time.Duration // until the first event of each stream
	transit   []time.Duration // of each stamped event
	broken    int
	elapsed   time.Duration
	firstFail error
}

// body is the request, with the model's name first, as SDKs write it.
func (l load) body() []byte {
	if l.pair != nil {
		return l.request
	}
	return fmt.Appendf(nil, `{"model":"%s","stream":%t,"max_tokens":256,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"%s"}]}`,
		l.model, l.streamed, bytes.Repeat([]byte("x"), l.padding))
}

// drive sends the load to url for a while: as many calls at once as the load says, each client with its next call as
// soon as the last has ended.
func (l load) drive(ctx context.Context, client *http.Client, url, key string, duration time.Duration) sample {
	body := l.body()
	start := time.Now()
	var (
		mu    sync.Mutex
		total sample
		wg    sync.WaitGroup
	)
	for range l.concurrency {
		wg.Go(func() {
			var s sample
			for time.Since(start) < duration && ctx.Err() == nil {
				if err := l.call(ctx, client, url, key, body, &s); err != nil {
					s.broken++
					s.firstFail = err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total.took = append(total.took, s.took...)
			total.first = append(total.first, s.first...)
			total.transit = append(total.transit, s.transit...)
			total.broken += s.broken
			if total.firstFail == nil {
				total.firstFail = s.firstFail
			}
		})
	}
	wg.Wait()
	total.elapsed = time.Since(start)
	return total
}

func (l load) call(ctx context.Context, client *http.Client, url, key string, body []byte, s *sample) error {
	start := time.Now()
	path := "/v1/chat/completions"
	if l.pair != nil {
		path = l.path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	switch {
	case l.pair != nil:
		err = l.readEnding(resp.Body)
	case l.streamed:
		err = l.readStream(resp.Body, start, s)
	default:
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err == nil {
		s.took = append(s.took, time.Since(start))
	}
	return err
}

// readStream reads a stream to its [DONE], and counts it as broken where an event is missing.
func (l load) readStream(r io.Reader, start time.Time, s *sample) error {
	events := 0
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("after %d events: %w", events, err)
		}
		if bytes.HasPrefix(line, []byte("data: [DONE]")) {
			break
		}
		at := bytes.Index(line, []byte(stamp))
		if at < 0 {
			continue
		}
		now := time.Now()
		if events++; events == 1 {
			s.first = append(s.first, now.Sub(start))
		}
		if l.model == modelPaced {
			digits := line[at+len(stamp):]
			if end := bytes.IndexByte(digits, '"'); end > 0 {
				if nanos, err := strconv.ParseInt(string(digits[:end]), 10, 64); err == nil {
					s.transit = append(s.transit, time.Duration(now.UnixNano()-nanos))
				}
			}
		}
	}
	if events != streamEvents {
		return fmt.Errorf("%d events of %d", events, streamEvents)
	}
	_, err := io.Copy(io.Discard, lines)
	return err
}

// readEnding reads an answer, and counts it as broken where its end is missing.
func (l load) readEnding(r io.Reader) error {
	var piece [8 << 10]byte
	n, found := 0, false
	for {
		if n == len(piece) {
			n = copy(piece[:], piece[n-len(l.ending):])
		}
		more, err := r.Read(piece[n:])
		from := max(0, n-len(l.ending))
		n += more
		found = found || bytes.Contains(piece[from:n], []byte(l.ending))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the end is missing: %.200s", piece[max(n-200, 0):n])
	}
	return nil
}

package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// Answers that are translated at the same time are read into memory that others used before: each caller gets their own, long
// and short.
func TestAnswersDoNotMix(t *testing.T) {
	t.Parallel()
	word := regexp.MustCompile(`word\d+x`)
	eachPair(t, func(t *testing.T, caller, target *speaker, stream bool) {
		w := newWorld(t, []vendor{{handler: func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			said := strings.Replace(target.answer, "Hello", strings.Repeat(word.FindString(string(body)), len(body)%7*900+1), 1)
			answer(said)(w, r)
		}}}, speaking(target.name))
		path, ask := caller.whole, caller.ask
		if stream {
			path, ask = caller.stream, caller.askStream
		}
		var callers errgroup.Group
		for i := range 4 {
			callers.Go(func() error {
				for j := range 6 {
					own := fmt.Sprintf("word%dx", 10*i+j)
					r := w.request(strings.TrimPrefix(path, "/v1"), strings.Replace(fill(ask, ""), "hello there", own+strings.Repeat(".", j), 1))
					r.Header.Set("Authorization", "Bearer "+w.key)
					got, err := http.DefaultTransport.RoundTrip(r)
					if err != nil {
						return err
					}
					body, err := io.ReadAll(got.Body)
					got.Body.Close()
					if all := word.FindAllString(string(body), -1); err != nil || got.StatusCode != 200 || len(all) == 0 || strings.ReplaceAll(strings.Join(all, ""), own, "") != "" {
						return fmt.Errorf("%s: %d, %v, %.200s", own, got.StatusCode, err, body)
					}
				}
				return nil
			})
		}
		if err := callers.Wait(); err != nil {
			t.Error(err)
		}
	})
}

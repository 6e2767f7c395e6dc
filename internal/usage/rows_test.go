package usage

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// What is written by hand is what encoding/json writes of attempts and tags, and JSON whatever the texts are.
func TestRowsAreJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		var rows []struct {
			Model    string            `json:"model"`
			Attempts []Attempt         `json:"attempts"`
			Tags     map[string]string `json:"tags"`
			Charge   *int64            `json:"charge"`
			Plan     *Plan             `json:"plan"`
		}
		if err := json.Unmarshal(requestRows([]booking{{event: e}, {event: e}}), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 2 || rows[1].Model != e.Model || (rows[1].Charge == nil) != (e.Charge == nil) {
			t.Fatalf("rows %+v", rows)
		}
		if diff := cmp.Diff(e.Attempts, rows[1].Attempts, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal("attempts (-want +got):\n", diff)
		}
		if diff := cmp.Diff(e.Plan, rows[1].Plan, cmpopts.EquateApprox(1e-5, 0)); diff != "" {
			t.Fatal("plan (-want +got):\n", diff)
		}
		if diff := cmp.Diff(e.Tags, rows[1].Tags, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal("tags (-want +got):\n", diff)
		}
	})
	if got := string(requestRows(nil)); got != "[]" {
		t.Errorf("no rows are %s", got)
	}
}

func BenchmarkRequestRows(b *testing.B) {
	for name, plan := range map[string]*Plan{"plain": nil, "planned": samplePlan()} {
		b.Run(name, func(b *testing.B) {
			bookings := make([]booking, batchSize)
			for i := range bookings {
				bookings[i].event = sampleEvent(noon)
				bookings[i].event.Plan = plan
			}
			b.ReportAllocs()
			for b.Loop() {
				requestRows(bookings)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batchSize), "ns/request")
		})
	}
}

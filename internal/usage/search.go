package usage

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"aihigress/db"
	"aihigress/internal/id"
)

// A patience is how long a search may take.
type patience struct {
	atOnce time.Duration // for the whole log in one go; what an index answers takes a small part of it
	pieces time.Duration // for searching it then piece by piece, until the search is told to go on another time
	count  time.Duration // for counting what was found; beyond, nobody knows how many there are
	first  time.Duration // the length of the first piece, which is searched to its end in any case
}

var usualPatience = patience{atOnce: 100 * time.Millisecond, pieces: 100 * time.Millisecond, count: 40 * time.Millisecond, first: time.Minute}

// A search is for a page of the log. Where an index leads to it, it is one question. A filter that few of very many requests
// pass has Postgres read them all: such a search ends after a while, and the next page goes on where it was.
type search struct {
	*Reports
	filter      db.RequestFilter
	after       *db.RequestKey
	oldestFirst bool
	rows        int

	oldest, newest time.Time // of all requests, as far as one may know
}

// run is the rows, and where the search ended before it had them all: nil where it did not.
func (s search) run(ctx context.Context) (found []db.Request, ended *db.RequestKey, err error) {
	if s.patience.atOnce > 0 {
		found, err = s.ask(ctx, s.filter, s.after, s.rows, s.patience.atOnce)
		if !errors.Is(err, db.ErrTimeout) {
			return found, nil, err
		}
	}
	return s.pieceByPiece(ctx)
}

func (s search) ask(ctx context.Context, f db.RequestFilter, after *db.RequestKey, rows int, limit time.Duration) (found []db.Request, err error) {
	err = db.Within(ctx, s.pool, limit, func(tx pgx.Tx) error {
		found, err = s.q.ListRequests(ctx, tx, f, after, s.oldestFirst, rows)
		return err
	})
	return found, err
}

// pieceByPiece searches one piece of time after another. Each is four times as long as the one before, until one takes too long.
func (s search) pieceByPiece(ctx context.Context) (found []db.Request, ended *db.RequestKey, err error) {
	if s.oldest, err = s.q.OldestRequest(ctx, s.pool); err != nil {
		return nil, nil, db.Classify(err)
	}
	s.newest = time.Now().Add(day) // some node's clock may be ahead
	end := time.Now().Add(s.patience.pieces)
	at, after := s.begin(), s.after
	for first, piece := true, s.patience.first; ; first, piece = false, 4*piece {
		limit := time.Until(end)
		if first {
			limit = 0 // so that each page comes further than the one before
		} else if limit <= 0 {
			return found, s.key(at), nil
		}
		part, to, last := s.piece(at, piece)
		rows, err := s.ask(ctx, part, after, s.rows-len(found), limit)
		switch {
		case errors.Is(err, db.ErrTimeout):
			return found, s.key(at), nil
		case err != nil:
			return nil, nil, err
		}
		found = append(found, rows...)
		if last || len(found) == s.rows {
			return found, nil, nil
		}
		at, after = to, nil
	}
}

// begin is the time from which to search.
func (s search) begin() time.Time {
	switch {
	case s.after != nil:
		return s.after.StartedAt
	case s.oldestFirst:
		return later(s.filter.From, s.oldest)
	case !s.filter.To.IsZero() && s.filter.To.Before(s.newest):
		return s.filter.To
	}
	return s.newest
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// piece is the filter cut to a length of time from at on, in the order of the search; to is where it ends, and last says that
// nothing lies beyond.
func (s search) piece(at time.Time, length time.Duration) (f db.RequestFilter, to time.Time, last bool) {
	f = s.filter
	if s.oldestFirst {
		f.From, to = later(f.From, at), at.Add(length)
		if last = to.After(s.newest) || !f.To.IsZero() && !to.Before(f.To); !last {
			f.To = to
		}
		return f, to, last
	}
	to = at.Add(-length)
	if last = !to.After(later(f.From, s.oldest)); !last {
		f.From = to
	}
	if s.after == nil || at.Before(s.after.StartedAt) { // else there is more at the time of after itself
		if at.Before(s.newest) && (f.To.IsZero() || at.Before(f.To)) {
			f.To = at
		}
	}
	return f, to, last
}

// key is the place in the list from which to go on: everything on this side of at was searched.
func (s search) key(at time.Time) *db.RequestKey {
	if s.oldestFirst {
		return &db.RequestKey{StartedAt: at.Add(-time.Microsecond), ID: id.Request{UUID: uuid.Max}}
	}
	return &db.RequestKey{StartedAt: at, ID: id.Request{}}
}

// count is how many there are up to limit, and not known where counting takes too long.
func (s search) count(ctx context.Context, limit int) (n int64, known bool, err error) {
	err = db.Within(ctx, s.pool, s.patience.count, func(tx pgx.Tx) error {
		n, err = s.q.CountRequests(ctx, tx, s.filter, limit)
		return err
	})
	if errors.Is(err, db.ErrTimeout) {
		return 0, false, nil
	}
	return n, true, err
}

package health

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"aihigress/internal/event"
)

const (
	topicCircuits = "health.circuits"
	topicReports  = "health.reports"

	reportEvery = time.Second
	// maxReports is how many targets are told of at once: the rest waits for the next second.
	maxReports = 500
)

// A Mean is the mean of some samples.
type Mean struct {
	Count uint32  `json:",omitzero"`
	Mean  float64 `json:",omitzero"`
}

func (m *Mean) add(other Mean) {
	if n := m.Count + other.Count; n > 0 {
		m.Mean = (m.Mean*float64(m.Count) + other.Mean*float64(other.Count)) / float64(n)
		m.Count = n
	}
}

// A Report sums up what a node saw of a target within a second or so.
type Report struct {
	Target     Target
	Attempts   uint32 // that ended, those that say nothing of anything shared left out
	Failed     [classes]uint32
	FirstToken Mean // seconds
	Speed      Mean // tokens per second
}

func (r *Report) add(other *Report) {
	r.Attempts += other.Attempts
	for i, n := range other.Failed {
		r.Failed[i] += n
	}
	r.FirstToken.add(other.FirstToken)
	r.Speed.add(other.Speed)
}

// news is a Change on its way to other nodes, whose clocks may differ: times are relative.
type news struct {
	Node  string
	Place Place
	Open  bool
	Why   Class
	For   time.Duration // until it is half open
	Asked bool
}

type reports struct {
	Node    string
	Reports []Report
}

// A Share tells other nodes what this one learns, and takes in what they learn. While Redis is away each node goes by what
// it sees itself.
type Share struct {
	board *Board
	bus   *event.Bus
	node  string

	mu       sync.Mutex
	watchers map[chan Change]struct{}
}

// NewShare shares a board over a bus. Whoever makes the board passes its changes on to Tell.
func NewShare(board *Board, bus *event.Bus) *Share {
	return &Share{board: board, bus: bus, node: uuid.NewString(), watchers: map[chan Change]struct{}{}}
}

// Subscribe is what opens and closes on the board from now on, whichever node it comes from. Whoever is too slow loses some. The channel is closed when ctx ends.
func (s *Share) Subscribe(ctx context.Context) <-chan Change {
	watcher := make(chan Change, event.Buffer)
	s.mu.Lock()
	s.watchers[watcher] = struct{}{}
	s.mu.Unlock()
	context.AfterFunc(ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, watcher)
		close(watcher)
	})
	return watcher
}

func (s *Share) show(c Change) {
	if c.Again {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for watcher := range s.watchers {
		select {
		case watcher <- c:
		default:
		}
	}
}

// Tell tells subscribers and the other nodes of a change. It does not block.
func (s *Share) Tell(ctx context.Context, c Change) {
	s.show(c)
	n := news{Node: s.node, Place: c.Place}
	if c.Open != nil {
		n.Open, n.Why, n.For, n.Asked = true, c.Open.Why, c.Open.Until.Sub(s.board.Now()), c.Open.Asked
	}
	s.bus.Publish(ctx, topicCircuits, n)
}

// Run exchanges figures until ctx ends; then it returns nil.
func (s *Share) Run(ctx context.Context) error {
	circuits := event.Subscribe[news](ctx, s.bus, topicCircuits)
	figures := event.Subscribe[reports](ctx, s.bus, topicReports)
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for circuits != nil || figures != nil {
		select {
		case <-tick.C:
			if fresh := s.board.report(maxReports); len(fresh) > 0 {
				s.bus.Publish(ctx, topicReports, reports{s.node, fresh})
			}
		case n, ok := <-circuits:
			if !ok {
				circuits = nil
			} else if n.Node != s.node {
				if c, ok := s.board.adopt(n); ok {
					s.show(c)
				}
			}
		case r, ok := <-figures:
			if !ok {
				figures = nil
			} else if r.Node != s.node {
				s.board.learn(r.Reports)
			}
		}
	}
	return nil
}

// report takes what other nodes have not been told.
func (b *Board) report(limit int) []Report {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var fresh []Report
	for _, c := range b.cells {
		if len(fresh) == limit {
			break
		}
		c.lock.Lock()
		if c.fresh.Attempts > 0 || c.fresh.FirstToken.Count > 0 {
			c.fresh.Target = c.target
			fresh = append(fresh, c.fresh)
			c.fresh = Report{}
		}
		c.lock.Unlock()
	}
	return fresh
}

// learn takes in what another node saw.
func (b *Board) learn(reports []Report) {
	now := b.o.Now()
	for i := range reports[:min(len(reports), maxReports)] {
		c := b.cell(reports[i].Target)
		c.lock.Lock()
		c.learn(&reports[i], now)
		c.lock.Unlock()
	}
}

// adopt takes over what another node found out about a circuit. It reports whether that is news.
func (b *Board) adopt(n news) (Change, bool) {
	if n.Place.Scope < OfKey || n.Place.Scope >= scopes || n.Why >= classes {
		return Change{}, false // a newer release may know more
	}
	now := b.o.Now()
	circ := b.circuit(n.Place, now, n.Open)
	if circ == nil {
		return Change{}, false
	}
	lock := b.lockOf(n.Place.Provider)
	lock.Lock()
	defer lock.Unlock()
	switch o := circ.open.Load(); {
	case !n.Open && o != nil:
		circ.close(now)
		return Change{Place: n.Place}, true
	case n.Open && n.For > 0:
		until := now.Add(min(n.For, maxRetryAfter))
		if o == nil || until.After(o.Until) {
			again := o != nil
			o = &Opening{Why: n.Why, Since: now, Until: until, Asked: n.Asked}
			circ.open.Store(o)
			circ.trying.Store(false)
			circ.level = min(circ.level+1, tooMany)
			return Change{n.Place, o, again}, true
		}
	}
	return Change{}, false
}

// circuit finds a circuit, or makes one that no cell needs yet if there is room.
func (b *Board) circuit(p Place, now time.Time, create bool) *circuit {
	b.mu.Lock()
	defer b.mu.Unlock()
	circ := b.circuits[p]
	if circ != nil || !create {
		return circ
	}
	const limit = len(chain) * MaxTargets
	if len(b.circuits) >= limit {
		for p, idle := range b.circuits {
			if o := idle.open.Load(); idle.refs == 0 && (o == nil || now.After(o.Until)) {
				delete(b.circuits, p)
			}
		}
		if len(b.circuits) >= limit {
			return nil
		}
	}
	circ = &circuit{place: p}
	b.circuits[p] = circ
	return circ
}

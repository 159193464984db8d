package hub

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "dropfs/remote/d3"
)

// questions counts the requests for a task's state.
type questions struct {
	http.RoundTripper
	n atomic.Int64
}

func (q *questions) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/status/") {
		q.n.Add(1)
	}
	return q.RoundTripper.RoundTrip(r)
}

// TestT12OurClientHearsOfTheEnd: a task that ends is taken up by its webhook, without a further question for its state.
func TestT12OurClientHearsOfTheEnd(t *testing.T) {
	d := newHookSite(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	asked := &questions{RoundTripper: transport}
	cfg := client.Config{BaseURL: d.srv.URL, Key: testKey, WebhookSecret: "whsec", PollFirst: time.Hour}
	cfg.HTTP.RoundTripper = asked
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	hook := httptest.NewServer(c.Webhook())
	t.Cleanup(hook.Close)
	d.answer(d.asks("POST", "/v1/developer/webhooks", map[string]any{"webhook_url": hook.URL, "webhook_secret": "whsec"}), 200)

	key, err := c.Upload(t.Context(), client.Input{Name: "a.txt", Size: 3, Src: strings.NewReader("one")})
	if err != nil {
		t.Fatal(err)
	}
	id, err := c.Do(t.Context(), client.Operation{Action: client.Convert, To: "html", Files: []client.FileKey{key}})
	if err != nil {
		t.Fatal(err)
	}
	<-d.engine.begun
	var task client.Task
	ended := make(chan error, 1)
	go func() {
		var err error
		task, err = c.Wait(t.Context(), id)
		ended <- err
	}()
	until(t, "nobody asks for the state", func() bool { return asked.n.Load() == 1 })
	close(d.engine.release)
	select {
	case err := <-ended:
		if err != nil || task.State != client.Completed || len(task.Files) != 1 || task.Files[0].Link == "" {
			t.Fatalf("%+v %v", task, err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the wait goes on")
	}
	if n := asked.n.Load(); n != 1 {
		t.Errorf("the state was asked for %d times", n)
	}
	if r := d.do(request{"GET", task.Files[0].Link.Reveal(), nil, nil}); string(r.Body) != "ONE>@html" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Runs in a copy of the page, and writes the mistakes that it finds into a <pre>.
(function () {
	var wrong = [];
	function say(what, element) {
		if (wrong.length < 30)
			wrong.push(what + ': ' + (element ? element.outerHTML.slice(0, 160) : ''));
	}
	function colour(text) {
		var m = text.match(/[\d.]+/g).map(Number);
		return { r: m[0], g: m[1], b: m[2], a: m.length > 3 ? m[3] : 1 };
	}
	function luminance(c) {
		return [c.r, c.g, c.b].reduce(function (sum, v, i) {
			v /= 255;
			v = v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
			return sum + v * [0.2126, 0.7152, 0.0722][i];
		}, 0);
	}
	function contrast(a, b) {
		var x = luminance(a), y = luminance(b);
		return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
	}
	function background(element) {
		for (var e = element; e; e = e.parentElement) {
			var c = colour(getComputedStyle(e).backgroundColor);
			if (c.a > 0) return c;
		}
		return colour('rgb(255, 255, 255)');
	}
	var body = document.body, all = body.querySelectorAll('*');
	var levels = 0, ids = {};

	all.forEach(function (e) {
		var style = getComputedStyle(e), svg = e.namespaceURI.indexOf('svg') > 0;
		var text = Array.prototype.some.call(e.childNodes, function (n) { return n.nodeType === 3 && n.data.trim() !== ''; });
		if (/^(script|iframe|object|embed|form|input|link|img|base|style)$/i.test(e.localName) && !e.id.match(/^probe/))
			say('an element that does not belong', e);
		Array.prototype.forEach.call(e.attributes, function (a) {
			if (/^on/i.test(a.name) || /javascript:|^\s*https?:|^\/\//i.test(a.value) && a.name !== 'xmlns') say('an attribute that does not belong', e);
		});
		if (e.id) {
			if (ids[e.id]) say('an id twice', e);
			ids[e.id] = true;
		}
		if (text && !svg && style.display !== 'none' && contrast(colour(style.color), background(e)) < 4.5)
			say('contrast ' + contrast(colour(style.color), background(e)).toFixed(2), e);
		if (e.localName === 'text') {
			var box = e.parentElement.querySelector('rect');
			var behind = e.parentElement.localName === 'g' && box ? colour(getComputedStyle(box).fill) : background(e.closest('div'));
			if (contrast(colour(style.fill), behind) < 4.5)
				say('contrast in the picture ' + contrast(colour(style.fill), behind).toFixed(2), e);
		}
	});
	document.querySelectorAll('h1,h2,h3').forEach(function (h) {
		var level = Number(h.localName.slice(1));
		if (level > levels + 1) say('a level of headings is left out', h);
		levels = level;
	});
	document.querySelectorAll('th').forEach(function (th) { if (!th.getAttribute('scope')) say('no scope', th); });
	document.querySelectorAll('table').forEach(function (t) {
		if (!t.caption) say('no caption', t);
		var columns = t.tHead.rows[0].cells.length;
		Array.prototype.forEach.call(t.tBodies[0].rows, function (r) {
			if (r.cells.length !== columns) say(r.cells.length + ' cells under ' + columns + ' headings', r);
		});
	});
	document.querySelectorAll('a[href]').forEach(function (a) {
		if (!document.getElementById(a.getAttribute('href').slice(1))) say('a link to nowhere', a);
	});
	document.querySelectorAll('[aria-labelledby]').forEach(function (e) {
		e.getAttribute('aria-labelledby').split(' ').forEach(function (id) { if (!document.getElementById(id)) say('labelled by nothing', e); });
	});
	if (document.documentElement.lang !== 'en') say('no language');
	if (document.documentElement.scrollWidth > window.innerWidth)
		say('wider than the window by ' + (document.documentElement.scrollWidth - window.innerWidth));
	var out = document.createElement('pre');
	out.id = 'probe-result';
	var card = document.querySelector('.cards > li');
	out.textContent = 'probed ' + all.length + ' elements, ' + document.querySelectorAll('table').length + ' tables, '
		+ (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light') + ', width ' + window.innerWidth
		+ ', height ' + document.documentElement.scrollHeight + ', cards at ' + (card ? Math.round(card.getBoundingClientRect().top) : 'none')
		+ ', wrong: ' + (wrong.length ? '\n' + wrong.join('\n') : 'nothing');
	body.appendChild(out);
})();

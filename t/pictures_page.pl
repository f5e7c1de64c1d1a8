# What diagram() and page() write is taken by what it is written for:
# Graphviz, Mermaid and a browser, whatever the names on the map are.  What is
# not installed here is left out, and said so.
use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('page', preload => 1, activity => 1);
my $dir = PostgreSQL::Test::Utils::tempdir();
$ENV{PGCLIENTENCODING} = 'UTF8';

sub which
{
	foreach my $name (@_)
	{
		foreach my $path (split /:/, $ENV{PATH})
		{
			return "$path/$name" if -x "$path/$name";
		}
	}
	return;
}

sub loudly { diag("NOT TESTED: $_[0]") }

# psql writes the file, as doc/how-to/publish-a-page.md says
sub write_out
{
	my ($db, $query, $file, @options) = @_;
	$node->command_ok([ 'psql', '-XAtq', @options, '-d', $db, '-o', "$dir/$file", '-c', $query ], "$file is written");
	my $text = slurp_file("$dir/$file");
	utf8::decode($text);
	return $text;
}

#
# Names that would be markup, if they were not escaped; of right-to-left
# scripts; as long as they get; and values of that kind as evidence.
#
my $long = 'ein_überaus_langer_name_der_gerade_noch_in_sechzig_byte_passt';
my @hostile = (q{<script>document.title='taken'</script>}, q{"><img src=x onerror=alert(1)>}, q{' onload='x}, '&lt;b&gt;&amp;', 'שם השדה', 'اسم الحقل',
	"\x{202e}desrever", '1. list', '`code` *b* _i_', '<!--', ']]>', '%n \\N \\"', '-->|x| e1["y"]', '</bdi></td></table>', $long, '商品名称');
sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

sql($node, 'postgres', 'CREATE DATABASE hub');
{
	my $sql = "CREATE EXTENSION ownership;\n";
	my $n = 0;
	foreach my $name (@hostile)
	{
		my $system = $name =~ s/[;"]//gr;
		my $column = substr($name, 0, 40) =~ s/\./ /gr;
		$system =~ s/^\s+|\s+$//g;
		$column =~ s/^\s+|\s+$//g;
		my $identifier = $column =~ s/"/""/gr;
		$sql .= qq{CREATE TABLE "t$n $identifier" ("$identifier" text PRIMARY KEY, "b $identifier" text, "c" text);
			CREATE ROLE "r$n $identifier";
			INSERT INTO ownership.system VALUES (@{[literal($system)]}, @{[literal($name)]}, @{[literal($name)]}, @{[literal($name)]}, @{[literal($name)]});
			INSERT INTO ownership.identity (kind, name, system) VALUES ('role', @{[literal("r$n $column")]}, @{[literal($system)]});
			INSERT INTO ownership.mirrored_table VALUES ('public', @{[literal("t$n $column")]}, NULL);
			INSERT INTO ownership.field (entity, name, owner, key, rationale, label) VALUES (@{[literal($name)]}, @{[literal($column)]}, @{[literal($system)]}, true, @{[literal($name)]}, @{[literal("label $n, $name")]});
			INSERT INTO ownership.field (entity, name) VALUES (@{[literal($name)]}, @{[literal("b $column")]});
			INSERT INTO ownership.mirrored_column VALUES ('public', @{[literal("t$n $column")]}, @{[literal($column)]}, @{[literal($name)]}, @{[literal($column)]}),
				('public', @{[literal("t$n $column")]}, @{[literal("b $column")]}, @{[literal($name)]}, @{[literal("b $column")]});
			INSERT INTO ownership.conflict (table_schema, table_name, row_key, operation, system, role, application_name, outcome, columns, stored, proposed)
			VALUES ('public', @{[literal("t$n $column")]}, jsonb_build_object(@{[literal($name)]}, @{[literal($name)]}), 'UPDATE', @{[literal($system)]}, @{[literal($name)]}, @{[literal($name)]}, 'kept',
				ARRAY[@{[literal($column)]}]::name[], jsonb_build_object(@{[literal($column)]}, @{[literal($name)]}), jsonb_build_object(@{[literal($column)]}, repeat(@{[literal($name)]}, 20)));
			INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, kept, first_seen, last_read, last_write)
			VALUES ('public', @{[literal("t$n $column")]}, @{[literal($column)]}, 'crm', 1, 1, 1, now() - interval '3 days', now(), now() - interval '1 hour'),
				('public', @{[literal("t$n $column")]}, @{[literal("b $column")]}, NULL, 1, 1, 0, now(), now(), now());\n};
		$n++;
	}
	$sql =~ s/CREATE EXTENSION ownership;/$& INSERT INTO ownership.system (name) VALUES ('crm');/;
	$sql .= "INSERT INTO ownership.declared_access SELECT entity, name, 'crm', 'read' FROM ownership.field;";
	utf8::encode($sql);
	my $file = "$dir/hostile.sql";
	append_to_file($file, $sql);
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'hub', '-f', $file ], 'a map of hostile names');
}
my $systems = @hostile + 2;    # and the CRM, and who is unidentified
my $entities = @hostile;

#
# The page as text.
#
my $page = write_out('hub', 'SELECT ownership.page()', 'page.html');
my $head = $page =~ s/^(.*?<\/head>)//s ? $1 : '';
# sentences about a text too long to be shown
sub lacks { my ($text, $what, $name) = @_; ok($text !~ $what, $name) or diag(substr($text, $-[0] < 80 ? 0 : $-[0] - 80, 240)) }
sub has { my ($text, $what, $name) = @_; ok($text =~ $what, $name) }

my %tags = map { $_ => 1 } $page =~ /<\/?([a-z0-9!]+)/gi;
is(join(' ', sort keys %tags), 'a b bdi body br caption code dd desc details div dl dt em footer g h1 h2 h3 header html li main nav p path rect section small span summary svg table tbody td text th thead time title tr ul',
	'nothing of the names is markup');
my (%attributes, @links, @styles);
while ($page =~ /<\w+((?:\s+[\w:-]+(?:="[^"]*"|=\w+)?)+)\s*\/?>/g)
{
	my $attributes = $1;
	while ($attributes =~ /([\w:-]+)(?:="([^"]*)"|=(\w+))?/g)
	{
		$attributes{$1} = 1;
		push @links, $2 if $1 eq 'href';
		push @styles, $2 if $1 eq 'style';
	}
}
is(join(' ', sort keys %attributes), 'aria-label aria-labelledby class d height href id open role rx scope style tabindex viewBox width x xmlns y', 'nor an attribute');
is(scalar(grep { !/^#\w+$/ } @links), 0, 'links go within the page');
is(scalar(grep { !/^--systems:\d+$/ } @styles), 0, 'style is a number of columns');
lacks($head, qr/url\s*\(|\@import|<link|<base/i, 'it asks for nothing from elsewhere');
has($head, qr/default-src 'none'; style-src 'unsafe-inline'/, 'and would not get it');
is(scalar(() = $page =~ /<$_[\s>]/g), scalar(() = $page =~ /<\/$_>/g), "every <$_> is closed")
  foreach qw(section table thead tbody div details summary ul bdi svg g h2 p dl nav main);
is(scalar(() = $page =~ /[\x00-\x08\x0b-\x1f]/g), 0, 'no control characters');
has($page, qr/\Q&lt;script&gt;document.title=&#39;taken&#39;&lt;\/script&gt;\E/, 'a name is shown as it is');
has($page, qr/<span class="quiet"><bdi>label 0, &lt;script&gt;/, 'beside the name that people use');
# but for times and ages
sub timeless { return $_[0] =~ s/<time>[^<]*<\/time>|\d+ (?:min|hours)//gr }
ok(timeless(write_out('hub', 'SELECT ownership.page()', 'again.html')) eq timeless($head . $page), 'and twice the same');

# What is looked up to answer a question is no system's reading.
sql($node, 'postgres', 'CREATE DATABASE looks');
sql($node, 'looks', q{
	CREATE EXTENSION ownership;
	CREATE TABLE item (sku text PRIMARY KEY, price numeric);
	CREATE TABLE product (sku text PRIMARY KEY, price numeric);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_system('crm', 'crm');
	SELECT ownership.add_tables('item', source => 'erp'), ownership.assign('product', NULL, 'erp');
	SELECT ownership.link('item.price', '{item.price,product.price}', authoritative => 'item.price'), ownership.link('item.sku', '{item.sku,product.sku}');
	UPDATE ownership.field SET policy = 'keep';
	SET ownership.system = 'erp';
	INSERT INTO item VALUES ('A', 1);
	INSERT INTO product VALUES ('A', 2);
	SET ownership.system = 'crm';
	UPDATE product SET price = 3});
is(sql($node, 'looks', q{
	SELECT ownership.flush();
	SELECT row_key, copy_value FROM ownership.drift('item.price');
	SELECT risk FROM ownership.risks WHERE risk = 'drifting';
	SELECT refused FROM ownership.disagreements;
	SELECT count(*) > 0 FROM ownership.why('item.price', '{"sku": "A"}');
	SELECT length(ownership.page()) > 0}), qq(\n{"sku": "A"}|2\ndrifting\n3\nt\nt), 'questions are answered');
is(sql($node, 'looks', q{SELECT ownership.flush(); SELECT count(*) FROM ownership.activity WHERE reads > 0 AND system IS NULL}), "\n0", 'and leave no reads');
is(sql($node, 'looks', q{SELECT price FROM product; SELECT ownership.flush(); SELECT column_name FROM ownership.activity WHERE reads > 0 AND system IS NULL}), "2\n\nprice",
	'as a look of somebody unidentified does');

# A source owns its landing tables by default, which is no decision.
sql($node, 'postgres', 'CREATE DATABASE landing');
sql($node, 'landing', q{
	CREATE EXTENSION ownership;
	CREATE SCHEMA erp;
	CREATE TABLE erp.item (sku text PRIMARY KEY, price numeric, title text, loaded_at timestamptz);
	CREATE TABLE erp.rest (id int PRIMARY KEY);
	SELECT ownership.add_system('erp', 'erp'), ownership.add_tables('erp.*', source => 'erp');
	UPDATE ownership.field SET local = true WHERE name = 'loaded_at'});
my $undecided = write_out('landing', 'SELECT ownership.page()', 'landing.html');
has($undecided, qr/<div class="fair"><dt>Fields with a decided owner<\/dt><dd>0 %<small>4 of 4 are owned by default, by the source of their tables</, 'the head tells default owners');
has($undecided, qr/4 fields; owners: <bdi>erp 4 \(by default\)</, 'an entity does, too');
has($undecided, qr/<td class=o>owner <small>by default<\/small>/, 'and each cell');
sql($node, 'landing', q{UPDATE ownership.field SET decided_by = 'the workshop' WHERE name = 'price';
	UPDATE ownership.field SET owner = NULL WHERE name = 'title'});
$undecided = write_out('landing', 'SELECT ownership.page()', 'landing.html');
has($undecided, qr/<div class="bad"><dt>Fields with a decided owner<\/dt><dd>25 %<small>1 of 4 have no system of record; 2 of 4 are owned by default, by the source of their tables</, 'from decided ones');
has($undecided, qr/4 fields; owners: <bdi>erp 3 \(2 by default\)</, 'also where an entity has both');
sql($node, 'landing', q{UPDATE ownership.field SET owner = 'erp', rationale = 'as agreed'});
has(write_out('landing', 'SELECT ownership.page()', 'landing.html'), qr/<div class="good"><dt>Fields with a decided owner<\/dt><dd>100 %<small>every field has one system of record</, 'where all are decided, so it says');

# grants() too: what it prints works for a role that connects
sql($node, 'hub', q{
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text);
	INSERT INTO product VALUES ('A', 1, 'x');
	CREATE ROLE erp_app LOGIN;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app');
	SELECT ownership.assign('product', '{price}', 'erp'), ownership.assign('product', '{title}', 'crm')});
{
	my $grants = write_out('hub', 'SELECT ownership.grants()', 'grants.sql');
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', 'hub', '-f', "$dir/grants.sql" ], 'the grants run');
	is(psql_as($node, 'hub', 'erp_app', q{UPDATE product SET price = 2 WHERE sku = 'A' RETURNING price}), '2', 'the owner may write its column');
	like(error_as($node, 'hub', 'erp_app', q{UPDATE product SET title = 'y'}), qr/42501: permission denied/, 'and no other');
	like(error_as($node, 'hub', 'erp_app', q{SELECT title FROM product}), qr/42501: permission denied/, 'nor read it');
	sql($node, 'hub', q{DELETE FROM ownership.mirrored_table WHERE table_name = 'product'; DELETE FROM ownership.field WHERE entity = 'product';
		DELETE FROM ownership.identity WHERE name = 'erp_app'; DELETE FROM ownership.system WHERE name = 'erp'});
}

#
# Graphviz
#
my $dot = write_out('hub', q{SELECT ownership.diagram('dot')}, 'map.dot');
SKIP:
{
	my $program = which('dot');
	loudly('the DOT of diagram(), for there is no Graphviz'), skip('no Graphviz', 1) if !$program;

	my ($out, $err);
	IPC::Run::run([ $program, '-Tsvg', "$dir/map.dot" ], '>', \$out, '2>', \$err);
	utf8::decode($out);
	is($err, '', 'Graphviz has nothing to say');
	is(scalar(() = $out =~ /class="node"/g), $systems + $entities, 'it draws every system and entity');
	is(scalar(() = $out =~ /class="edge"/g), scalar(() = $dot =~ /^  \w+ -> /mg), 'and every line');
	has($out, qr/&lt;script&gt;document.title=(?:'|&#39;)taken(?:'|&#39;)&lt;\/script&gt;/, 'a name is shown as it is');
	has($out, qr/&amp;lt;b&amp;gt;&amp;amp;/, 'entities in a name, too');
	has($out, qr/%n \\N \\&quot;/, 'and escapes');
}

#
# A browser
#
my $mermaid = write_out('hub', 'SELECT ownership.diagram()', 'map.mmd');
my $browser = $ENV{OWNERSHIP_BROWSER} || which(qw(chromium chromium-browser google-chrome));
my $profiles = 0;

# browse(FILE, OPTION ...)   what the browser prints
sub browse
{
	my ($file, @options) = @_;
	my ($out, $err);
	$profiles++;
	local $ENV{HOME} = $dir;
	IPC::Run::run([ $browser, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
			'--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
			'--hide-scrollbars', '--allow-file-access-from-files', "--user-data-dir=$dir/profile$profiles",
			@options, "file://$dir/$file" ],
		'>', \$out, '2>', \$err, IPC::Run::timeout(120));
	utf8::decode($out);
	return $out;
}

SKIP:
{
	loudly('the page, for there is no browser (Chromium)'), skip('no browser', 1) if !$browser;

	my $dom = browse('page.html', '--dump-dom');
	has($dom, qr/<title>Who owns which data: hub<\/title>/, 'no name has run as a script');
	is(scalar(() = $dom =~ /<h2 /g), 10, 'with all its sections');
	is(scalar(() = $dom =~ /<details/g), $entities, 'and entities');

	# a copy with a script that looks for what is wrong; without what forbids it
	my $probed = $head . $page;
	my $probe = slurp_file("$FindBin::RealBin/lib/page_probe.js");
	$probed =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//;
	$probed =~ s/<\/body>/<script id="probe">$probe<\/script><\/body>/;
	utf8::encode($probed);
	append_to_file("$dir/probed.html", $probed);
	foreach my $how ([ 'light', 1280 ], [ 'dark', 1280, '--blink-settings=preferredColorScheme=0' ], [ 'light', 500 ])
	{
		my ($mode, $width, @options) = @$how;
		$dom = browse('probed.html', "--window-size=$width,900", @options, '--dump-dom');
		my ($result) = $dom =~ /<pre id="probe-result">(.*?)<\/pre>/s;
		like($result // 'no result', qr/^probed \d+ elements, \d+ tables, $mode, width $width, wrong: nothing$/, "$mode, $width wide: nothing is wrong");
	}

	# as wide as a phone: a frame, for a window is never that small
	append_to_file("$dir/phone.html", '<!DOCTYPE html><iframe src="probed.html" width="375" height="800" style="border:0"></iframe>'
		. '<pre id="phone"></pre><script>onload=function(){document.getElementById("phone").textContent=frames[0].document.getElementById("probe-result").textContent}</script>');
	$dom = browse('phone.html', '--dump-dom');
	has($dom, qr/<pre id="phone">probed \d+ elements, \d+ tables, light, width 375, wrong: nothing</, 'on a phone, too');

	browse('page.html', "--screenshot=$dir/page.png", '--window-size=1280,1600');
	has(slurp_file("$dir/page.png"), qr/^\x89PNG/, 'it can be looked at');
	browse('page.html', "--print-to-pdf=$dir/page.pdf");
	has(slurp_file("$dir/page.pdf"), qr/^%PDF/, 'and printed');
}

SKIP:
{
	my $library = $ENV{OWNERSHIP_MERMAID} // '';
	loudly('the Mermaid of diagram(), for there is no browser (Chromium)'), skip('no browser', 1) if !$browser;
	loudly('the Mermaid of diagram(), for there is no Mermaid (npm)'), skip('no Mermaid', 1) if !-r $library;

	my $source = $mermaid =~ s/&/&amp;/gr =~ s/</&lt;/gr;
	my $html = <<"END";
<!DOCTYPE html><meta charset="utf-8"><title>nothing</title><pre id="source">$source</pre><div id="drawn"></div>
<script src="mermaid.js"></script><script>
mermaid.initialize({startOnLoad: false, maxEdges: 5000});
mermaid.parse('flowchart LR\\n  a["b"c"]').then(() => 'taken', () => 'refused').then(broken => {
	const source = document.getElementById('source').textContent;
	return mermaid.parse(source).then(() => mermaid.render('map', source)).then(drawn => {
		document.getElementById('drawn').innerHTML = drawn.svg;
		document.title = 'drawn; what is broken is ' + broken;
	});
}).catch(error => { document.title = 'failed: ' + error; });
</script>
END
	utf8::encode($html);
	append_to_file("$dir/mermaid.html", $html);
	append_to_file("$dir/mermaid.js", slurp_file($library));
	my $dom = browse('mermaid.html', '--virtual-time-budget=20000', '--dump-dom');
	my ($title) = $dom =~ /<title>(.*?)<\/title>/;
	is($title, 'drawn; what is broken is refused', 'Mermaid parses and draws it');
	my ($drawn) = $dom =~ /<div id="drawn">(.*?)<script/s;
	is(scalar(() = $drawn =~ /class="node /g), $systems + $entities, 'every system and entity');
	has($drawn, qr/&lt;script&gt;document.title='taken'&lt;\/script&gt;/, 'a name is shown as it is');
	lacks($drawn, qr/<script|<img/, 'and is not markup');
	has($drawn, qr/1\. list/, 'nor a list');
	has($drawn, qr/`code` \*b\* _i_/, 'nor Markdown');
}

#
# Large maps: 5,000 fields.
#
sql($node, 'postgres', 'CREATE DATABASE big');
sql($node, 'big', q{
	CREATE EXTENSION ownership;
	INSERT INTO ownership.system SELECT 'system ' || i, 'other' FROM generate_series(1, 8) i;
	INSERT INTO ownership.field (entity, name, owner)
		SELECT format('s%s.t%s', i % 5, i % 200), 'f' || i, CASE WHEN i % 25 > 0 THEN 'system ' || 1 + i % 5 END FROM generate_series(1, 5000) i;
	INSERT INTO ownership.declared_access SELECT entity, name, 'system ' || s, 'read' FROM ownership.field, generate_series(6, 7) s;
	INSERT INTO ownership.declared_access SELECT entity, name, 'system 8', 'write' FROM ownership.field WHERE name LIKE '%7';
	INSERT INTO ownership.mirrored_column SELECT split_part(entity, '.', 1), split_part(entity, '.', 2), name, entity, name FROM ownership.field;
	INSERT INTO ownership.activity (table_schema, table_name, column_name, system, reads, writes, first_seen, last_read, last_write)
		SELECT table_schema, table_name, column_name, 'system ' || s, 5, 5 * (s % 2), now(), now(), now() FROM ownership.mirrored_column, generate_series(1, 2) s});
my $big = write_out('big', 'SELECT ownership.page()', 'big.html');
is(scalar(() = $big =~ /<tr><th scope="row">[^\n]*<small>/g), 5000, 'all of them are in it');
is(scalar(() = $big =~ /<g class="entity/g), 5, 'the picture is of schemas');
has($big, qr/&hellip; and \d+ more:/, 'the risks are the first of each kind');
sql($node, 'big', q{INSERT INTO ownership.field (entity, name) SELECT 'later', 'f' || i FROM generate_series(1, 100) i});
has(write_out('big', 'SELECT ownership.page()', 'bigger.html'), qr/These are the first 5000 of 5100 fields/, 'more are left out, and said so');

$node->stop;
done_testing();

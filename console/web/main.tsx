import { render } from 'preact';
import { App } from './app.tsx';
import { checkSession } from './state/session.ts';
import { applyTheme, storedTheme } from './state/theme.ts';
import { language } from './texts/language.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/shell.css';
import './styles/controls.css';
import './styles/tables.css';
import './styles/pages.css';
import './styles/records.css';
import './styles/markdown.css';
import './styles/chat.css';
import './styles/public.css';
import './styles/print.css';

document.documentElement.lang = language;
applyTheme(storedTheme());
const root = document.getElementById('app');
if (root === null) throw new Error('the page has no element for the console');
render(<App />, root);
// A sign-in link is about to start a session, so there is none to ask for.
if (!location.hash.startsWith('#code=')) void checkSession();

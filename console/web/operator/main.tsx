import { render } from 'preact';
import { applyTheme, storedTheme } from '../state/theme.ts';
import { OperatorApp } from './operator-app.tsx';
import { checkOperator } from './operator-session.ts';
import '../styles/tokens.css';
import '../styles/base.css';
import '../styles/shell.css';
import '../styles/controls.css';
import '../styles/tables.css';
import '../styles/pages.css';
import '../styles/records.css';
import '../styles/public.css';
import '../styles/operator.css';

applyTheme(storedTheme());
const root = document.getElementById('app');
if (root === null) throw new Error('the page has no element for the console');
render(<OperatorApp />, root);
void checkOperator();
